//! The pyo3 edge: here the halves meet. The only folder that may say `pyo3`.

use pyo3::prelude::*;

mod bells;
mod chart;
mod errors;
mod graph;
mod hashes;
mod json;
mod kernel;
mod limit;
mod lookout;
mod message;
mod reports;
mod tracer;
mod weigh;
mod writer;

/// `cellheap._core`: what the Python package is built on. Private; a list.
#[pymodule]
mod _core {
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use super::chart::{
        bytes_text, chart_cells, chart_chains, chart_column, chart_flame, chart_history,
        chart_last, chart_lines, chart_map, chart_png, chart_ring, chart_spark, chart_timeline,
        chart_variables, flame_text, folded_stacks,
    };
    #[pymodule_export]
    use super::errors::ConnectionError;
    #[pymodule_export]
    use super::graph::{
        graph_check, graph_cycles, graph_holders, graph_newer, graph_predict, graph_reads_pyarrow,
        graph_retained, graph_survivors, graph_suspects, graph_types, graph_variables,
    };
    #[pymodule_export]
    use super::hashes::{code_number, murmur2};
    #[pymodule_export]
    use super::json::{json_dump, json_load};
    #[pymodule_export]
    use super::kernel::PyKernel;
    #[pymodule_export]
    use super::limit::{
        container, limit_call_begin, limit_call_end, limit_collecting, limit_forget, limit_prepare,
        limit_refusals, limit_set, limit_state,
    };
    #[pymodule_export]
    use super::lookout::{
        box_begin, box_end, box_open, last_words, last_words_told, last_words_untold,
        lookout_begin, lookout_by_waiting, lookout_by_wire, lookout_end, lookout_uncharted,
        next_sight,
    };
    #[pymodule_export]
    use super::reports::{
        cell_report, diff, heap_map, live, overview, own_live, process_json, span_begin, span_end,
        stacks_json, trim,
    };
    #[pymodule_export]
    use super::tracer::{
        Own, Spare, cell_begin, cell_end, cell_id, current_cell, reset, set_notebook_files,
        statement_begin, statement_end, totals_address, trace_note, trace_start, trace_stop,
        tracing,
    };
    #[pymodule_export]
    use super::weigh::{forget_attributes, let_go_unheld, weigh};
    #[pymodule_export]
    use super::writer::{Tee, Writer};
}

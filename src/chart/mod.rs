//! Drawings: a report in, SVG out.

//! The kernel as Python sees it: requests in, messages out. No IPython, no asyncio: those are the application's.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::bells::Bells;
use super::errors::{taken_name, unknown};
use super::message;
use crate::hooks::{crash, turn};
use crate::kernel::{Channel, Kernel, KernelInfo, Lane, RequestId, Stream};
use crate::wire::Connection;

/// How often a cell that waits for the wire looks for an interrupt.
const ATTENTION: Duration = Duration::from_millis(20);

/// The wire of this process, and the loop that works it on threads of its own.
#[pyclass(frozen, name = "Kernel", module = "cellheap._core")]
pub struct PyKernel {
    kernel: Kernel,
    bells: Arc<Bells>,
}

/// The number of a request, where its reply goes, and the message.
type Taken<'py> = (u64, Bound<'py, PyList>, Bound<'py, PyDict>);

#[pymethods]
impl PyKernel {
    /// Binds the sockets: from here on heartbeat and kernel_info are answered.
    #[new]
    fn new(
        py: Python<'_>,
        connection_file: PathBuf,
        info: Vec<u8>,
        session: String,
        username: String,
        ident: String,
    ) -> PyResult<Self> {
        let connection = Connection::read(connection_file)?;
        let info = KernelInfo {
            content: info.into(),
            session,
            username,
            ident,
        };
        // The system lets a process of one thread register at once; one of many waits until all its processors have
        // passed by, which is longer than all else that recording needs to begin.
        turn::begin();
        let kernel = py.detach(|| Kernel::start(connection, info))?;
        Ok(Self {
            kernel,
            bells: Arc::new(Bells::new()?),
        })
    }

    #[getter]
    fn connection_file(&self) -> OsString {
        self.kernel.connection().path.clone().into()
    }

    /// Readable while a request waits on the lane.
    fn fileno(&self, lane: &str) -> PyResult<RawFd> {
        let found = self.bells.fd(self.lane(lane)?);
        found.ok_or_else(|| unknown("lane", lane))
    }

    /// Replaces the content of kernel_info_reply, as JSON.
    fn inform(&self, info: Vec<u8>) {
        self.kernel.inform(info.into());
    }

    fn attach(&self, py: Python<'_>) {
        py.detach(|| self.kernel.attach(self.bells.clone()));
    }

    fn fail(&self, py: Python<'_>, ename: &str, evalue: &str) {
        py.detach(|| self.kernel.fail(ename, evalue));
    }

    /// The next request of the lane, if none is open.
    fn take<'py>(&self, lane: &str, unpacker: &Bound<'py, PyAny>) -> PyResult<Option<Taken<'py>>> {
        let lane = self.lane(lane)?;
        self.bells.silence(lane);
        let Some(request) = self.kernel.take(lane) else {
            return Ok(None);
        };
        let read = || -> PyResult<Taken<'py>> {
            let message = message::to_python(&request.message, unpacker)?;
            if message::is_silent(&message)? {
                self.kernel.wake();
            }
            let ids = message::ids(unpacker.py(), &request.message)?;
            Ok((request.id.number, ids, message))
        };
        read()
            .map(Some)
            .inspect_err(|_| self.kernel.finish(request.id))
    }

    /// The next comm message while a request of the lane is open.
    fn take_comm<'py>(
        &self,
        lane: &str,
        unpacker: &Bound<'py, PyAny>,
    ) -> PyResult<Option<(Bound<'py, PyList>, Bound<'py, PyDict>)>> {
        let lane = self.lane(lane)?;
        self.bells.silence(lane);
        let Some(taken) = self.kernel.take_comm(lane) else {
            return Ok(None);
        };
        let ids = message::ids(unpacker.py(), &taken)?;
        Ok(Some((ids, message::to_python(&taken, unpacker)?)))
    }

    /// The request is done. In a forked child this ends the process.
    fn finish(&self, py: Python<'_>, lane: &str, number: u64) -> PyResult<()> {
        let lane = self.lane(lane)?;
        self.surely(py, || self.kernel.finish(RequestId { lane, number }));
        Ok(())
    }

    /// A further queue of requests, for those whose header has this `subshell_id`.
    fn open_subshell(&self, name: &str) -> PyResult<()> {
        let opened = self.kernel.open_subshell(name);
        let id = opened.ok_or_else(|| taken_name(name))?;
        Ok(self.bells.add(id)?)
    }

    /// Nothing more is for the subshell: what waits there and what comes later is refused.
    fn close_subshell(&self, py: Python<'_>, name: &str) {
        py.detach(|| self.kernel.close_subshell(name));
    }

    /// The subshell runs nothing any more.
    fn end_subshell(&self, name: &str) {
        if let Some(id) = self.kernel.subshell(name) {
            self.kernel.end_subshell(name);
            self.bells.remove(id);
        }
    }

    /// A comm message goes out from this lane: what the front end answers belongs there.
    #[pyo3(signature = (lane, comm, question=None))]
    fn comm_went(&self, lane: &str, comm: &str, question: Option<&str>) -> PyResult<()> {
        self.kernel.comm_went(self.lane(lane)?, comm, question);
        Ok(())
    }

    fn comm_closed(&self, comm: &str) {
        self.kernel.comm_closed(comm);
    }

    /// Sends a message: to `ids` on a channel, or on iopub, where the first of `ids` is the topic.
    #[pyo3(signature = (channel, ids, header, parent_header, metadata, content, buffers, packer))]
    #[allow(clippy::too_many_arguments)]
    fn send(
        &self,
        py: Python<'_>,
        channel: &str,
        mut ids: Vec<Vec<u8>>,
        header: &Bound<'_, PyAny>,
        parent_header: &Bound<'_, PyAny>,
        metadata: &Bound<'_, PyAny>,
        content: &Bound<'_, PyAny>,
        buffers: &Bound<'_, PyAny>,
        packer: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let topic = match channel {
            "iopub" if ids.is_empty() => Vec::new(),
            "iopub" => ids.remove(0),
            _ => Vec::new(),
        };
        let parts = [header, parent_header, metadata, content];
        let message = message::from_python(ids, parts, buffers, packer)?;
        if channel == "iopub" {
            return self.patiently(py, || self.kernel.publish(&topic, message));
        }
        let channel = named(channel)?;
        let at_end = message::is_of_cell(header)?;
        self.surely(py, || match at_end {
            true => self.kernel.reply_at_end(channel, message),
            false => self.kernel.reply(channel, message),
        });
        Ok(())
    }

    fn flush(&self) {
        self.kernel.flush();
    }

    fn abort_queue(&self, py: Python<'_>, lane: &str) -> PyResult<()> {
        let lane = self.lane(lane)?;
        py.detach(|| self.kernel.abort_queue(lane));
        Ok(())
    }

    fn purge_answers(&self) {
        self.kernel.purge_answers();
    }

    /// Waits for an input_reply. An interrupt ends the wait with what its handler raises.
    fn answer<'py>(&self, unpacker: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = unpacker.py();
        loop {
            if let Some(answer) = py.detach(|| self.kernel.answer(ATTENTION)) {
                return message::to_python(&answer, unpacker);
            }
            py.check_signals()?;
        }
    }

    /// Redirects descriptors 1 and 2 into the kernel. Returns duplicates of the original ones.
    fn capture(&self) -> PyResult<[RawFd; 2]> {
        let originals = self.kernel.capture()?;
        crash::captured(originals);
        Ok(originals)
    }

    fn is_child(&self) -> bool {
        self.kernel.is_child()
    }

    /// Sends everything queued, for at most `seconds`, and ends the threads.
    fn close(&self, py: Python<'_>, seconds: f64) {
        py.detach(|| self.kernel.close(Duration::from_secs_f64(seconds)));
    }
}

impl PyKernel {
    /// The kernel itself, for what is said without Python.
    pub(super) fn handle(&self) -> Kernel {
        self.kernel.clone()
    }

    /// Writes to a stream of the request with this parent header, packed.
    pub(super) fn write(
        &self,
        py: Python<'_>,
        stream: Stream,
        parent: Bytes,
        text: &str,
    ) -> PyResult<()> {
        self.patiently(py, || self.kernel.write(stream, parent, text))
    }

    /// "shell", "control", or the name of a subshell.
    fn lane(&self, name: &str) -> PyResult<Lane> {
        match name {
            "shell" => Ok(Lane::Shell),
            "control" => Ok(Lane::Control),
            other => {
                let subshell = self.kernel.subshell(other).map(Lane::Subshell);
                subshell.ok_or_else(|| unknown("lane", other))
            }
        }
    }

    /// As `patiently`, of what no interrupt may keep from happening.
    fn surely(&self, py: Python<'_>, send: impl FnOnce() + Send) {
        if self.kernel.is_full() {
            py.detach(send);
        } else {
            send();
        }
    }

    /// Others may run Python while the wire waits for its readers, and an interrupt ends the wait with what its handler
    /// raises. With room the lock is kept, which is quicker.
    fn patiently(&self, py: Python<'_>, send: impl FnOnce() + Send) -> PyResult<()> {
        if !self.kernel.is_full() {
            send();
            return Ok(());
        }
        while !py.detach(|| self.kernel.wait_for_room(ATTENTION)) {
            py.check_signals()?;
        }
        py.detach(send);
        Ok(())
    }
}

fn named(channel: &str) -> PyResult<Channel> {
    match channel {
        "shell" => Ok(Channel::Shell),
        "control" => Ok(Channel::Control),
        "stdin" => Ok(Channel::Stdin),
        other => Err(unknown("channel", other)),
    }
}

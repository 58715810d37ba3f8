//! What goes out to one peer: its queue, and when it counts as stalled. Reads nothing, and knows no socket's kind.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::stream::Stream;
use super::zmtp::Encoded;

/// Past its budget a peer may stand still this long.
const STALLED: Duration = Duration::from_secs(5);
/// As many pieces go into one write.
const PIECES: usize = 32;

/// How many peers of a socket are past their budget.
pub type Pressure = Arc<watch::Sender<usize>>;

/// One connection, as its socket and its task share it.
pub struct Peer {
    pub stream: Stream,
    /// Rings when there is something to write.
    pub wake: Notify,
    budget: usize,
    pressure: Pressure,
    outgoing: Mutex<Outgoing>,
}

struct Outgoing {
    queue: VecDeque<Encoded>,
    /// How far into the first of them: its chunk and the byte in it.
    chunk: usize,
    offset: usize,
    bytes: usize,
    /// Since then nothing was written, or nothing had to be.
    progress: Instant,
    over: bool,
    /// It was over its budget since nothing waited last: much memory comes free at once.
    swollen: bool,
    gone: bool,
}

impl Peer {
    pub fn new(stream: Stream, budget: usize, pressure: Pressure) -> Self {
        Self {
            stream,
            wake: Notify::new(),
            budget,
            pressure,
            outgoing: Mutex::new(Outgoing {
                queue: VecDeque::new(),
                chunk: 0,
                offset: 0,
                bytes: 0,
                progress: Instant::now(),
                over: false,
                swollen: false,
                gone: false,
            }),
        }
    }

    /// Queues a message; the peer's task writes it. Who has gone gets nothing.
    pub fn push(&self, message: impl Into<Encoded>) {
        let message = message.into();
        let mut out = self.outgoing.lock();
        if out.gone {
            return;
        }
        out.bytes += message.size();
        out.queue.push_back(message);
        if !out.over && out.bytes > self.budget {
            (out.over, out.swollen) = (true, true);
            out.progress = Instant::now();
            self.pressure.send_modify(|over| *over += 1);
        }
        drop(out);
        self.wake.notify_one();
    }

    /// Writes as much as the system takes now.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&self) -> io::Result<()> {
        let mut out = self.outgoing.lock();
        while out.bytes > 0 {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = out.pieces(&mut pieces);
            match self.stream.try_write(&pieces[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => out.written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        // Half of it, so that writers do not wait anew for each message.
        if out.over && out.bytes <= self.budget / 2 {
            self.relieve(&mut out);
        }
        if out.bytes == 0 && std::mem::take(&mut out.swollen) {
            give_back();
        }
        Ok(())
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        self.outgoing.lock().bytes
    }

    /// When it has stood still for too long, if it is past its budget.
    pub fn deadline(&self) -> Option<Instant> {
        let out = self.outgoing.lock();
        out.over.then(|| out.progress + STALLED)
    }

    /// The connection is over: nothing is kept for it.
    pub fn leave(&self) {
        let mut out = self.outgoing.lock();
        out.gone = true;
        out.queue = VecDeque::new();
        out.bytes = 0;
        if out.over {
            self.relieve(&mut out);
        }
        if std::mem::take(&mut out.swollen) {
            give_back();
        }
    }

    fn relieve(&self, out: &mut Outgoing) {
        out.over = false;
        self.pressure.send_modify(|over| *over -= 1);
    }
}

/// What others still have in hand of a message as its last reader goes comes free by and by.
const SETTLED: Duration = Duration::from_secs(1);

/// The C library keeps what came free for the next time, and its heaps stay as large as they once were. Now, and once more
/// when the others have let go too.
fn give_back() {
    trim();
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async {
            tokio::time::sleep(SETTLED).await;
            trim();
        });
    }
}

/// Hands the C library's free memory back to the system. False where this one cannot.
pub fn trim() -> bool {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the locks that it needs itself, and no pointer.
    unsafe {
        libc::malloc_trim(0)
    };
    cfg!(target_env = "gnu")
}

impl Outgoing {
    /// Fills in what is to be written next. Returns how many pieces that is.
    fn pieces<'a>(&'a self, pieces: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.queue.iter().flat_map(Encoded::chunks);
        let mut from = self.offset;
        let mut count = 0;
        for (chunk, piece) in chunks.skip(self.chunk).zip(pieces) {
            *piece = IoSlice::new(&chunk[from..]);
            from = 0;
            count += 1;
        }
        count
    }

    fn written(&mut self, mut written: usize) {
        self.bytes -= written;
        self.progress = Instant::now();
        while let Some(first) = self.queue.front() {
            let Some(chunk) = first.chunks().get(self.chunk).map(Bytes::len) else {
                self.queue.pop_front();
                self.chunk = 0;
                continue;
            };
            if written < chunk - self.offset {
                self.offset += written;
                return;
            }
            written -= chunk - self.offset;
            self.chunk += 1;
            self.offset = 0;
        }
    }
}

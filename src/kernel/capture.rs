//! Output that comes in by descriptors: captured fds 1 and 2, and forked children. Owns its thread; decides no order of its own.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::bell::Bell;
use super::forked::Children;
use super::interpreter::Stream;
use super::log::{log_to, offer};
use super::shared::Shared;
use super::text::Decoder;

/// The pipes hold this much, so that a cell seldom waits for the reader.
const PIPE: libc::c_int = 1 << 20;
const CHUNK: usize = 64 << 10;

/// Where output comes in. Read by a thread of its own, and by whoever finishes a request.
pub struct Inlets {
    doors: Mutex<Doors>,
    bell: Bell,
    over: AtomicBool,
}

struct Doors {
    children: Children,
    /// The kernel itself has gone: no child can write any more.
    childless: bool,
    pipes: Vec<Pipe>,
}

struct Pipe {
    input: File,
    /// A duplicate of the descriptor as it was. Never closed here: others were told its number.
    original: RawFd,
    captured: RawFd,
    stream: Stream,
    decoder: Decoder,
    /// Every writer has closed it, as `os.close(1)` does.
    ended: bool,
}

impl Inlets {
    pub fn new(children: Children) -> io::Result<Self> {
        let doors = Mutex::new(Doors {
            children,
            childless: false,
            pipes: Vec::new(),
        });
        Ok(Self {
            doors,
            bell: Bell::new()?,
            over: AtomicBool::new(false),
        })
    }

    /// Puts pipes in the place of descriptors 1 and 2.
    pub fn capture(&self) -> io::Result<[RawFd; 2]> {
        let mut doors = self.doors.lock();
        if doors.pipes.is_empty() {
            let out = Pipe::over(libc::STDOUT_FILENO, Stream::Stdout)?;
            let err = Pipe::over(libc::STDERR_FILENO, Stream::Stderr)?;
            log_to(err.original);
            doors.pipes.extend([out, err]);
        }
        let originals = [0, 1].map(|at| doors.pipes[at].original);
        drop(doors);
        self.bell.ring();
        Ok(originals)
    }

    /// Queues all that has been written so far.
    pub fn drain(&self, shared: &Shared) {
        let mut doors = self.doors.lock();
        if !doors.are_quiet() {
            doors.drain_pipes(shared);
            doors.children.drain(shared);
        }
    }

    /// Queues what has been written to captured descriptors so far, if there is any: what is written next comes after it.
    pub fn drain_before(&self, shared: &Shared) {
        self.doors.lock().drain_pipes(shared);
    }

    /// Gives descriptors 1 and 2 back and ends the thread.
    pub fn close(&self, shared: &Shared) {
        self.drain(shared);
        for pipe in &self.doors.lock().pipes {
            pipe.give_back();
        }
        self.drain(shared);
        self.over.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// The thread's life: waits for output, queues it.
    pub fn run(shared: &Arc<Shared>) {
        let inlets = &shared.inlets;
        while !inlets.over.load(Ordering::Acquire) {
            let mut watched = vec![inlets.bell.as_raw_fd()];
            watched.extend(inlets.doors.lock().open());
            let ended = wait_readable(&watched);
            inlets.bell.hush();
            inlets.drain(shared);
            inlets.doors.lock().forget(&ended);
        }
    }
}

impl Doors {
    /// Whether nothing waits behind any of them. Every reply asks: one call of the system's for all.
    fn are_quiet(&self) -> bool {
        let [out, err] = &self.pipes[..] else {
            return false;
        };
        flush_stdio();
        // `poll` passes over a negative number.
        let children = if self.childless {
            -1
        } else {
            self.children.as_raw_fd()
        };
        let pipes = [out, err].map(|pipe| pipe.input.as_raw_fd());
        are_empty([pipes[0], pipes[1], children])
    }

    fn drain_pipes(&mut self, shared: &Shared) {
        let [out, err] = &mut self.pipes[..] else {
            return;
        };
        flush_stdio();
        if !are_empty([&*out, &*err].map(|pipe| pipe.input.as_raw_fd())) {
            out.drain(shared);
            err.drain(shared);
        }
    }

    fn open(&self) -> impl Iterator<Item = RawFd> {
        let pipes = self.pipes.iter().filter(|pipe| !pipe.ended);
        let pipes = pipes.map(|pipe| pipe.input.as_raw_fd());
        let children = (!self.childless).then(|| self.children.as_raw_fd());
        children.into_iter().chain(pipes)
    }

    fn forget(&mut self, ended: &[RawFd]) {
        self.childless |= ended.contains(&self.children.as_raw_fd());
        for pipe in &mut self.pipes {
            pipe.ended |= ended.contains(&pipe.input.as_raw_fd());
        }
    }
}

impl Pipe {
    fn over(fd: RawFd, stream: Stream) -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for the two descriptors, which are owned here from then on.
        let (input, output, original) = unsafe {
            ok(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
            let input = OwnedFd::from_raw_fd(ends[0]);
            let output = OwnedFd::from_raw_fd(ends[1]);
            let original = ok(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3))?;
            (input, output, original)
        };
        // SAFETY: all descriptors are open. A pipe that cannot grow is only a smaller pipe.
        unsafe {
            libc::fcntl(output.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE);
            ok(libc::fcntl(
                input.as_raw_fd(),
                libc::F_SETFL,
                libc::O_NONBLOCK,
            ))?;
            ok(libc::dup2(output.as_raw_fd(), fd))?;
        }
        Ok(Self {
            input: File::from(input),
            original,
            captured: fd,
            stream,
            decoder: Decoder::default(),
            ended: false,
        })
    }

    /// Unless the number stands for something else by now: code may close descriptors 1 and 2 and open others.
    fn give_back(&self) {
        if identity(self.captured) == identity(self.input.as_raw_fd()) {
            // SAFETY: both descriptors are open; the pipe's reader stays open, so late writers see no SIGPIPE.
            unsafe { libc::dup2(self.original, self.captured) };
        }
    }

    /// Takes what is in the pipe now; what is written meanwhile is for the next time, so this ends.
    fn drain(&mut self, shared: &Shared) {
        let mut left = readable(self.input.as_raw_fd());
        if left == 0 {
            return;
        }
        let mut chunk = vec![0; left.min(CHUNK)];
        while left > 0 {
            let room = left.min(CHUNK);
            let Ok(read @ 1..) = self.input.read(&mut chunk[..room]) else {
                return;
            };
            left -= read;
            let text = self.decoder.decode(&chunk[..read]);
            shared
                .outbox
                .write(self.stream, &shared.speaking.parent(), &text);
            // A copy to where it would have gone.
            offer(self.original, &chunk[..read]);
        }
    }
}

/// Has the C library write out what `printf` left in its buffer. Skipped while another thread holds that buffer.
fn flush_stdio() {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
        fn ftrylockfile(file: *mut libc::FILE) -> libc::c_int;
        fn funlockfile(file: *mut libc::FILE);
    }
    // SAFETY: `stdout` is there for the life of the process; the lock is recursive and given back here.
    unsafe {
        if ftrylockfile(stdout) == 0 {
            libc::fflush(stdout);
            funlockfile(stdout);
        }
    }
}

/// Whether nothing can be read from any of these. Every `print` asks, so it is one call of the system's for all.
fn are_empty<const N: usize>(fds: [RawFd; N]) -> bool {
    poll(&mut fds.map(to_read), 0) == 0
}

/// Waits until one of these can be read. Returns those that never will be again.
fn wait_readable(fds: &[RawFd]) -> Vec<RawFd> {
    let mut polls: Vec<libc::pollfd> = fds.iter().copied().map(to_read).collect();
    poll(&mut polls, -1);
    // Who has hung up may have left something to read; that is read before it is forgotten.
    let ended = |poll: &&libc::pollfd| {
        poll.revents & libc::POLLHUP != 0 || poll.revents != 0 && poll.revents & libc::POLLIN == 0
    };
    polls.iter().filter(ended).map(|poll| poll.fd).collect()
}

/// Asks of a descriptor whether it can be read.
fn to_read(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

/// Asks all of these, for up to so many milliseconds. Returns how many have an answer.
fn poll(polls: &mut [libc::pollfd], milliseconds: libc::c_int) -> libc::c_int {
    // SAFETY: pointer and length are those of `polls`.
    unsafe {
        libc::poll(
            polls.as_mut_ptr(),
            polls.len() as libc::nfds_t,
            milliseconds,
        )
    }
}

/// The file that a descriptor stands for. Both ends of a pipe are one file.
fn identity(fd: RawFd) -> Option<(libc::dev_t, libc::ino_t)> {
    // SAFETY: `stat` is plain data, read only when the call filled it.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        ok(libc::fstat(fd, &raw mut stat)).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }
}

/// How many bytes wait there.
pub fn readable(fd: RawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) };
    usize::try_from(count).unwrap_or(0)
}

pub fn ok(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

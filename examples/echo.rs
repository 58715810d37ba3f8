//! The smallest kernel: `cargo run --example echo -- connection.json` serves the toy language of the tests.

#[path = "../tests/kernel/echo.rs"]
mod echo;

use std::process::ExitCode;

use cellheap::kernel::{Kernel, KernelError};
use cellheap::wire::Connection;

use echo::Echo;

fn main() -> ExitCode {
    let interrupts = block_interrupts();
    let path = std::env::args().nth(1).unwrap_or_default();
    match start(&path) {
        Ok(kernel) => {
            let echo = Echo::attach(&kernel);
            let interrupted = echo.clone();
            std::thread::spawn(move || heed(&interrupts, &interrupted));
            eprintln!("listening: {}", echo.connection().path.display());
            echo.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(path: &str) -> Result<Kernel, KernelError> {
    Kernel::start(Connection::read(path)?, echo::info())
}

/// Every thread made from here on leaves SIGINT to the one that waits for it.
fn block_interrupts() -> libc::sigset_t {
    // SAFETY: the set is filled before it is read.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    }
}

fn heed(set: &libc::sigset_t, echo: &Echo) {
    let mut signal = 0;
    // SAFETY: the set is the one that is blocked here.
    while unsafe { libc::sigwait(set, &raw mut signal) } == 0 {
        echo.interrupted();
    }
}

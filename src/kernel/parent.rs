//! Ends the kernel when the process that started it is gone. `JPY_PARENT_PID` says who that is.

use std::sync::OnceLock;
use std::time::Duration;

use super::log::log;

/// What is done before the process ends so.
static LAST: OnceLock<fn()> = OnceLock::new();

/// Has this done when the process that started the kernel is gone, also while Python still starts. It must not need the
/// interpreter. The first that is told stays.
pub fn when_forsaken(work: fn()) {
    LAST.get_or_init(|| work);
}

pub async fn watch() {
    let named = std::env::var("JPY_PARENT_PID").ok();
    let named = named.and_then(|pid| pid.parse::<libc::pid_t>().ok());
    let Some(named) = named.filter(|&pid| pid > 1) else {
        return std::future::pending().await;
    };
    // A launcher may stand between: then only init as a parent says that all of them are gone.
    let direct = parent() == named;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let now = parent();
        if if direct { now != named } else { now == 1 } {
            log("the process that started the kernel is gone, so it ends");
            if let Some(work) = LAST.get() {
                work();
            }
            // SAFETY: ends the process without exit handlers; nobody is left to read what they would write.
            unsafe { libc::_exit(1) };
        }
    }
}

fn parent() -> libc::pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::getppid() }
}

//! Ends the kernel when the process that started it is gone. `JPY_PARENT_PID` says who that is.

use std::time::Duration;

use super::log::log;

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
            // SAFETY: ends the process without exit handlers; nobody is left to read what they would write.
            unsafe { libc::_exit(1) };
        }
    }
}

fn parent() -> libc::pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::getppid() }
}

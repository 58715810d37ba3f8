//! Interrupts what runs: this process, or its whole group if it leads one, so that child processes hear it too.

pub fn interrupt() {
    // SAFETY: plain system calls; the process and its group exist while this runs.
    unsafe {
        let pid = libc::getpid();
        if libc::getpgrp() == pid {
            libc::killpg(pid, libc::SIGINT);
        } else {
            libc::kill(pid, libc::SIGINT);
        }
    }
}

//! What `usage_request` is told: processor and memory of the kernel's processes and of the machine, from `/proc`. Asks no
//! interpreter.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;

/// Remembers the readings before, as shares of the processor are between two of them.
#[derive(Default)]
pub struct Usage(Mutex<Option<Reading>>);

struct Reading {
    at: Instant,
    /// Ticks of each process. One that took an ended one's id shows by having fewer.
    processes: HashMap<u32, u64>,
    machine: Option<Ticks>,
}

#[derive(Clone, Copy)]
struct Ticks {
    all: u64,
    idle: u64,
}

/// The content of `usage_reply`, with the names that ipykernel has from psutil.
#[derive(Debug, Serialize)]
pub struct Content {
    hostname: String,
    pid: u32,
    /// Percent of one processor since the last request, of the kernel and what it started.
    kernel_cpu: f64,
    /// Their proportional set size, bytes.
    kernel_memory: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_cpu_percent: Option<f64>,
    cpu_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_virtual_memory: Option<HostMemory>,
}

#[derive(Debug, Serialize)]
struct HostMemory {
    total: u64,
    available: u64,
    percent: f64,
    used: u64,
    free: u64,
    active: u64,
    inactive: u64,
    buffers: u64,
    cached: u64,
    shared: u64,
    slab: u64,
}

impl Usage {
    pub fn read(&self) -> Content {
        let pids = with_descendants(std::process::id());
        let now = Reading {
            at: Instant::now(),
            processes: (pids.iter())
                .filter_map(|&pid| Some((pid, ticks_of(pid)?)))
                .collect(),
            machine: machine(),
        };
        let mut last = self.0.lock();
        let content = Content {
            hostname: hostname(),
            pid: std::process::id(),
            kernel_cpu: last.as_ref().map_or(0.0, |last| now.cpu_since(last)),
            kernel_memory: pids.iter().filter_map(|&pid| memory_of(pid)).sum(),
            host_cpu_percent: last.as_ref().and_then(|last| now.machine_since(last)),
            cpu_count: std::thread::available_parallelism().map_or(1, usize::from),
            host_virtual_memory: HostMemory::read(),
        };
        *last = Some(now);
        content
    }
}

impl Reading {
    fn cpu_since(&self, last: &Self) -> f64 {
        let used: u64 = (self.processes.iter())
            .filter_map(|(pid, ticks)| ticks.checked_sub(*last.processes.get(pid)?))
            .sum();
        let seconds = (self.at - last.at).as_secs_f64();
        if seconds > 0.0 {
            tenths(used as f64 / ticks_a_second() / seconds * 100.0)
        } else {
            0.0
        }
    }

    fn machine_since(&self, last: &Self) -> Option<f64> {
        let (now, last) = (self.machine?, last.machine?);
        let all = now.all.checked_sub(last.all).filter(|&all| all > 0)?;
        let idle = now.idle.saturating_sub(last.idle).min(all);
        Some(tenths((all - idle) as f64 / all as f64 * 100.0))
    }
}

impl HostMemory {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let field = |name: &str| kib(&text, name).unwrap_or(0);
        let total = field("MemTotal:");
        let available = field("MemAvailable:").min(total);
        let used = total - available;
        Some(Self {
            total,
            available,
            percent: tenths(used as f64 / total.max(1) as f64 * 100.0),
            used,
            free: field("MemFree:"),
            active: field("Active:"),
            inactive: field("Inactive:"),
            buffers: field("Buffers:"),
            cached: field("Cached:") + field("SReclaimable:"),
            shared: field("Shmem:"),
            slab: field("Slab:"),
        })
    }
}

fn with_descendants(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&pid) = found.get(at) {
        at += 1;
        for child in children_of(pid) {
            if !found.contains(&child) {
                found.push(child);
            }
        }
    }
    found
}

/// A child is its thread's that started it.
fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    (threads.flatten())
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|children| {
            let pids = children.split_ascii_whitespace();
            pids.filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Processor time of a process, user's and system's.
fn ticks_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, which may hold anything, ends with the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn memory_of(pid: u32) -> Option<u64> {
    let folder = format!("/proc/{pid}");
    let read = |name: &str| fs::read_to_string(Path::new(&folder).join(name)).ok();
    let proportional = read("smaps_rollup").and_then(|text| kib(&text, "Pss:"));
    proportional.or_else(|| kib(&read("status")?, "VmRSS:"))
}

fn machine() -> Option<Ticks> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = (line.split_ascii_whitespace())
        .filter_map(|field| field.parse().ok())
        .collect();
    let [_, _, _, idle, waits, ..] = fields[..] else {
        return None;
    };
    // What guests used stands in user's time already.
    let all = fields.iter().take(8).sum();
    let idle = idle + waits;
    Some(Ticks { all, idle })
}

/// A field that `/proc` gives in kB, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let count: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(count * 1024)
}

fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}

fn ticks_a_second() -> f64 {
    // SAFETY: sysconf reads a constant.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as f64
}

fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_between_two_readings() {
        let usage = Usage::default();
        let first = usage.read();
        assert_eq!((first.pid, first.kernel_cpu), (std::process::id(), 0.0));
        assert!(first.host_cpu_percent.is_none() && first.kernel_memory > 0);
        let begun = Instant::now();
        while begun.elapsed().as_millis() < 100 {
            std::hint::spin_loop();
        }
        assert!(usage.read().kernel_cpu > 0.0);
    }

    #[test]
    fn what_a_process_started_counts_with_it() {
        let mut child = (std::process::Command::new("sleep").arg("60"))
            .spawn()
            .expect("sleep is there");
        let found = with_descendants(std::process::id());
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(found.contains(&child.id()));
    }
}

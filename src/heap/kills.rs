//! How often the OOM killer struck: the system's own counters, before and after. They tell a kill for lack of memory
//! from another, which the process that dies of it cannot.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::allowance::memory_groups;
use super::last::End;

/// Kills so far. None where it cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kills {
    /// The control group that `in_group` is of.
    pub group: String,
    pub in_group: Option<u64>,
    /// On the whole machine.
    pub anywhere: Option<u64>,
}

impl Kills {
    pub fn read() -> Self {
        let nearest =
            (memory_groups().into_iter()).find_map(|group| Some((in_group(&group)?, group)));
        let (in_group, group) = match nearest {
            Some((kills, group)) => (Some(kills), group.display().to_string()),
            None => (None, String::new()),
        };
        Self {
            group,
            in_group,
            anywhere: counter(Path::new("/proc/vmstat"), "oom_kill"),
        }
    }

    /// What the counters say of an end between this reading and a later one.
    pub fn since(&self, later: &Self) -> End {
        // Another group, or counters that began anew, say nothing.
        let grew = |before: Option<u64>, after: Option<u64>| Some(after? > before?);
        let same_group = self.group == later.group;
        let in_group = grew(self.in_group, later.in_group).filter(|_| same_group);
        match (in_group, grew(self.anywhere, later.anywhere)) {
            (Some(true), _) => End::OutOfMemory,
            (_, Some(true)) => End::PerhapsOutOfMemory,
            (Some(false), _) | (_, Some(false)) => End::Killed,
            (None, None) => End::Unknown,
        }
    }
}

/// Version 2 counts under the first name, version 1 under the second.
fn in_group(group: &Path) -> Option<u64> {
    ["memory.events", "memory.oom_control"]
        .iter()
        .find_map(|file| counter(&group.join(file), "oom_kill"))
}

/// The number behind a name at the beginning of a line.
fn counter(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, number) = line.split_once(' ')?;
        (key == name).then(|| number.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kills(group: &str, in_group: Option<u64>, anywhere: Option<u64>) -> Kills {
        Kills {
            group: group.into(),
            in_group,
            anywhere,
        }
    }

    #[test]
    fn only_a_counter_that_grew_accuses_the_oom_killer() {
        let before = kills("/g", Some(1), Some(5));
        let end = |later: Kills| before.since(&later);
        assert_eq!(end(kills("/g", Some(2), Some(6))), End::OutOfMemory);
        assert_eq!(end(kills("/g", Some(1), Some(6))), End::PerhapsOutOfMemory);
        assert_eq!(end(kills("/g", Some(1), Some(5))), End::Killed);
        assert_eq!(end(kills("/other", Some(9), Some(5))), End::Killed);
        assert_eq!(end(kills("/g", None, None)), End::Unknown);
        assert_eq!(kills("", None, None).since(&before), End::Unknown);
    }

    #[test]
    fn linux_counts_kills() {
        let read = Kills::read();
        assert!(read.anywhere.is_some(), "{read:?}");
        assert_ne!(read.since(&read), End::OutOfMemory);
    }
}

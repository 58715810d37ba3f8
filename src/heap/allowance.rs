//! How much memory this process may use: by its control groups (versions 1 and 2), by `ulimit -v`, by what the machine
//! has. Reads what the system says; what follows from it is decided elsewhere. Safe from any thread.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::{field, page_size};

/// What sets a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The control group in this folder, with all processes in it: a container's, as a rule.
    ControlGroup(PathBuf),
    /// `ulimit -v`: address space, touched or not.
    AddressSpace,
    /// The machine's memory, which every process shares.
    Machine,
}

/// A limit in bytes, and what sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    pub bytes: u64,
    pub source: Source,
}

/// What this process would come up against first: of each limit, how much is left decides. None where nothing is known.
pub fn allowed() -> Option<Allowance> {
    (container().into_iter().chain(address_space())).min_by_key(|allowance| {
        allowance
            .bytes
            .saturating_sub(allowance.used().unwrap_or(0))
    })
}

/// Every limit that there is.
pub fn all() -> Vec<Allowance> {
    [control_group(), address_space(), machine()]
        .into_iter()
        .flatten()
        .collect()
}

/// The folders of this process's control groups that know memory, the nearest first.
pub fn memory_groups() -> Vec<PathBuf> {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let (groups, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
    (mounts.lines().filter_map(hierarchy))
        .filter_map(|hierarchy| Some(groups_in(&hierarchy, path_of(&hierarchy, &groups)?)))
        .flatten()
        .collect()
}

/// What there is to share: the smallest limit of this process's control groups, or the machine's memory.
pub fn container() -> Option<Allowance> {
    control_group()
        .into_iter()
        .chain(machine())
        .min_by_key(|allowance| allowance.bytes)
}

/// The smallest memory limit of this process's control groups, up the hierarchy; none where they set none.
pub fn control_group() -> Option<Allowance> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    smallest(&groups, &mounts)
}

/// `ulimit -v`, if it is set.
pub fn address_space() -> Option<Allowance> {
    // SAFETY: getrlimit fills the record, which all zeros are a valid value of.
    let limit = unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        (libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) == 0).then_some(limit.rlim_cur)?
    };
    (limit != libc::RLIM_INFINITY).then_some(Allowance {
        bytes: limit,
        source: Source::AddressSpace,
    })
}

/// The machine's memory.
fn machine() -> Option<Allowance> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    Some(Allowance {
        bytes: field(&memory, "MemTotal:")?,
        source: Source::Machine,
    })
}

impl Allowance {
    /// How much of it is used now, by all who share it. Pages of files that can be dropped are not counted.
    pub fn used(&self) -> Option<u64> {
        match &self.source {
            Source::ControlGroup(folder) => used_by_group(folder),
            Source::AddressSpace => {
                let statm = fs::read_to_string("/proc/self/statm").ok()?;
                let pages: u64 = statm.split_ascii_whitespace().next()?.parse().ok()?;
                Some(pages * page_size())
            }
            Source::Machine => {
                let memory = fs::read_to_string("/proc/meminfo").ok()?;
                let available = field(&memory, "MemAvailable:")?;
                Some(self.bytes.saturating_sub(available))
            }
        }
    }
}

/// Version 2's files are looked for first; version 1 counts the groups beneath under `total_`.
fn used_by_group(folder: &Path) -> Option<u64> {
    let used = number(&folder.join("memory.current"))
        .or_else(|| number(&folder.join("memory.usage_in_bytes")))?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let of = |name: &str| {
        let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name)?.1.parse::<u64>().ok()
    };
    let droppable = of("total_inactive_file").or_else(|| of("inactive_file"));
    Some(used.saturating_sub(droppable.unwrap_or(0)))
}

/// A hierarchy of control groups that knows memory.
struct Hierarchy<'a> {
    /// The group that is seen at the mount point: a container may see only its own.
    root: &'a str,
    mounted: &'a str,
    /// The file with a group's limit.
    file: &'static str,
    /// Version 1: the line of `/proc/self/cgroup` is the one that names `memory`.
    first_version: bool,
}

/// The smallest limit by the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn smallest(groups: &str, mounts: &str) -> Option<Allowance> {
    let hierarchies = mounts.lines().filter_map(hierarchy);
    hierarchies
        .filter_map(|hierarchy| limit_in(&hierarchy, path_of(&hierarchy, groups)?))
        .min_by_key(|limit| limit.bytes)
}

/// What a line of `mountinfo` mounts: fields, a dash, then the type and its options.
fn hierarchy(line: &str) -> Option<Hierarchy<'_>> {
    let (mount, system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, mounted) = (mount.next()?, mount.next()?);
    let mut system = system.split(' ');
    let (kind, options) = (system.next()?, system.nth(1)?);
    let (file, first_version) = match kind {
        "cgroup2" => ("memory.max", false),
        "cgroup" if options.split(',').any(|option| option == "memory") => {
            ("memory.limit_in_bytes", true)
        }
        _ => return None,
    };
    Some(Hierarchy {
        root,
        mounted,
        file,
        first_version,
    })
}

/// The process's path in a hierarchy, by the text of `/proc/self/cgroup`.
fn path_of<'a>(hierarchy: &Hierarchy, groups: &'a str) -> Option<&'a str> {
    (groups.lines()).find_map(|line| path_in(line, hierarchy.first_version))
}

/// The path on a line of `/proc/self/cgroup`, if it is the one of that version: `4:memory:/path`, `0::/path`.
fn path_in(line: &str, first_version: bool) -> Option<&str> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let fits = if first_version {
        controllers.split(',').any(|name| name == "memory")
    } else {
        controllers.is_empty()
    };
    fits.then_some(path)
}

/// The smallest limit from the process's group up to what the mount shows.
fn limit_in(hierarchy: &Hierarchy, path: &str) -> Option<Allowance> {
    groups_in(hierarchy, path)
        .into_iter()
        .filter_map(|folder| {
            Some(Allowance {
                bytes: number(&folder.join(hierarchy.file))?,
                source: Source::ControlGroup(folder),
            })
        })
        // A version 1 group without a limit says a number close to 2^63, a version 2 one `max`.
        .filter(|limit| limit.bytes < 1 << 60)
        .min_by_key(|limit| limit.bytes)
}

/// The groups from the process's own up to what the mount shows. The path of a group that is not beneath what is
/// mounted here cannot be followed: then the mount is taken to be the process's own group.
fn groups_in(hierarchy: &Hierarchy, path: &str) -> Vec<PathBuf> {
    let mounted = PathBuf::from(hierarchy.mounted);
    let beneath = Path::new(path)
        .strip_prefix(hierarchy.root)
        .unwrap_or(Path::new(""));
    let group = mounted.join(beneath);
    group
        .ancestors()
        .take_while(|folder| folder.starts_with(&mounted))
        .map(Path::to_owned)
        .collect()
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder in the place of `/sys/fs/cgroup`, with these files.
    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("cellheap-{}-{name}", std::process::id()));
        for (file, text) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("create");
            fs::write(file, text).expect("write");
        }
        root
    }

    #[test]
    fn version_2_says_the_smallest_limit_up_the_hierarchy() {
        let root = folder(
            "second",
            &[
                ("user/memory.max", "3000000\n"),
                ("user/job/memory.max", "max\n"),
                ("user/memory.current", "1000000\n"),
                ("user/memory.stat", "anon 5\ninactive_file 400000\n"),
            ],
        );
        let mounts = format!(
            "30 23 0:26 / {} rw shared:4 - cgroup2 cgroup2 rw\n",
            root.display()
        );
        let limit = smallest("0::/user/job\n", &mounts).expect("a limit");
        assert_eq!(limit.bytes, 3_000_000);
        assert_eq!(limit.source, Source::ControlGroup(root.join("user")));
        assert_eq!(limit.used(), Some(600_000));
    }

    #[test]
    fn version_1_is_read_where_memory_is_mounted() {
        let root = folder(
            "first",
            &[
                ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory/job/memory.limit_in_bytes", "5000000\n"),
                ("memory/job/memory.usage_in_bytes", "2000000\n"),
                (
                    "memory/job/memory.stat",
                    "inactive_file 1\ntotal_inactive_file 500000\n",
                ),
            ],
        );
        let root = root.display();
        let mounts = format!(
            "31 23 0:28 / {root} rw - tmpfs tmpfs rw\n\
             32 31 0:29 / {root}/cpu rw - cgroup cgroup rw,cpu\n\
             35 31 0:32 / {root}/memory rw,relatime - cgroup cgroup rw,memory\n\
             41 31 0:38 / {root}/unified rw - cgroup2 cgroup2 rw\n"
        );
        let groups = "9:name=systemd:/\n4:memory:/job\n1:cpu:/\n0::/\n";
        let limit = smallest(groups, &mounts).expect("a limit");
        assert_eq!((limit.bytes, limit.used()), (5_000_000, Some(1_500_000)));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        let root = folder("bound", &[("memory.limit_in_bytes", "7000000")]);
        let mounts = format!(
            "9 8 0:32 /docker/abc {} ro - cgroup cgroup rw,memory\n",
            root.display()
        );
        for path in ["/docker/abc", "/elsewhere"] {
            let limit = smallest(&format!("4:memory:{path}\n"), &mounts);
            assert_eq!(limit.map(|limit| limit.bytes), Some(7_000_000));
        }
    }

    #[test]
    fn without_a_limit_there_is_the_machine() {
        let unlimited = folder("unlimited", &[("memory.max", "max\n")]);
        let mounts = format!(
            "30 23 0:26 / {} rw - cgroup2 none rw\n",
            unlimited.display()
        );
        assert_eq!(smallest("0::/\n", &mounts), None);
        assert_eq!(smallest("", ""), None);
        let container = container().expect("Linux tells its memory");
        assert!(container.bytes > 1 << 20);
        assert!(container.used().expect("and what is used") <= container.bytes);
    }
}

//! Whether there is a container around us: outside of one, what is told of "the container" would be the machine's, or a stranger's.

use procfs::FromRead as _;
use procfs::process::MountInfos;
use std::path::Path;

/// The machine's own namespaces have these numbers since Linux 3.8 (`include/uapi/linux/nsfs.h`).
const FIRST_PIDS: &str = "pid:[4026531836]";
const FIRST_CGROUPS: &str = "cgroup:[4026531835]";

/// What is ours alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// A part of the machine's memory and CPU time is counted for us.
    pub cgroup: bool,
    /// All processes that can be seen.
    pub processes: bool,
}

impl Container {
    /// Looks below `root`: `/`, or a tree that stands for it. What cannot be looked at is kept from us by a container.
    pub fn find(root: &Path) -> Container {
        let is_first = |name: &str, first: &str| {
            let link = std::fs::read_link(root.join("proc/self/ns").join(name));
            link.is_ok_and(|link| link == Path::new(first))
        };
        let processes = !is_first("pid", FIRST_PIDS);
        // An engine that shares both namespaces shows only our part of each hierarchy.
        let is_part = || {
            let mounts = MountInfos::from_file(root.join("proc/self/mountinfo"));
            mounts.is_ok_and(|mounts| {
                mounts.0.iter().any(|mount| mount.fs_type.starts_with("cgroup") && mount.root != "/")
            })
        };
        Container { cgroup: processes || !is_first("cgroup", FIRST_CGROUPS) || is_part(), processes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn found(pids: &str, cgroups: &str, mounted: &str) -> (bool, bool) {
        let root = tempfile::tempdir().unwrap();
        let ns = root.path().join("proc/self/ns");
        std::fs::create_dir_all(&ns).unwrap();
        symlink(pids, ns.join("pid")).unwrap();
        symlink(cgroups, ns.join("cgroup")).unwrap();
        let mount = format!("35 31 0:32 {mounted} /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n");
        std::fs::write(root.path().join("proc/self/mountinfo"), mount).unwrap();
        let Container { cgroup, processes } = Container::find(root.path());
        (cgroup, processes)
    }

    #[test]
    fn the_machine_is_no_container() {
        let other = ("pid:[4026532183]", "cgroup:[4026532190]");
        assert_eq!(found(FIRST_PIDS, FIRST_CGROUPS, "/"), (false, false));
        assert_eq!(found(other.0, other.1, "/"), (true, true));
        assert_eq!(found(other.0, FIRST_CGROUPS, "/"), (true, true), "docker's, with cgroups of version 1");
        assert_eq!(found(FIRST_PIDS, other.1, "/"), (true, false), "--pid=host");
        assert_eq!(found(FIRST_PIDS, FIRST_CGROUPS, "/docker/abc"), (true, false), "and --cgroupns=host");
        let nowhere = Container::find(Path::new("/nonexistent"));
        assert_eq!(nowhere, Container { cgroup: true, processes: true }, "nobody hides it but a container");
    }
}

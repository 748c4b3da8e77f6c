//! The container's own memory cgroup, wherever it is mounted: version 2, version 1, or both side by side.
//!
//! `/proc/self/cgroup` says which cgroup is ours in each hierarchy, `mountinfo` which part of a hierarchy is mounted
//! where. A container sees its cgroup as the mount's root, or below the path its engine gave it. Where a hierarchy of
//! version 1 has the memory controller, version 2 does not have it.

use procfs::process::{MountInfo, MountInfos};
use procfs::{FromRead as _, ProcessCGroups};
use std::path::{Path, PathBuf};

/// Our memory cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// The file that counts OOM kills: `memory.events`, or `memory.oom_control`.
    oom: PathBuf,
}

impl Cgroup {
    /// Looks below `root`: `/`, or a tree that stands for it. `None` if there is none that could be read.
    pub fn find(root: &Path) -> Option<Cgroup> {
        let groups = ProcessCGroups::from_file(root.join("proc/self/cgroup")).ok()?.0;
        let mounts = MountInfos::from_file(root.join("proc/self/mountinfo")).ok()?.0;
        let v1 = groups.iter().find(|group| group.controllers.iter().any(|name| name == "memory"));
        let v2 = groups.iter().find(|group| group.hierarchy == 0);
        let (group, file) = match (v1, v2) {
            (Some(group), _) => (group, "memory.oom_control"),
            (None, Some(group)) => (group, "memory.events"),
            (None, None) => return None,
        };
        let is_ours = |mount: &&MountInfo| match v1 {
            Some(_) => mount.fs_type == "cgroup" && mount.super_options.contains_key("memory"),
            None => mount.fs_type == "cgroup2",
        };
        let mount = mounts.iter().find(is_ours)?;
        let oom = below(root, &mount.mount_point).join(inside(&group.pathname, &mount.root)).join(file);
        let cgroup = Cgroup { oom };
        cgroup.oom_kills().map(|_| cgroup)
    }

    /// How many processes of it the kernel has killed for memory; version 2 counts those of its children too.
    pub fn oom_kills(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.oom).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    }
}

fn below(root: &Path, absolute: &Path) -> PathBuf {
    root.join(absolute.strip_prefix("/").unwrap_or(absolute))
}

/// Our cgroup as seen from the mount. One that the mount does not hold (`/../..`) is another namespace's: the mount's
/// own root is the nearest.
fn inside<'a>(group: &'a str, mounted: &str) -> &'a Path {
    Path::new(group)
        .strip_prefix(mounted)
        .ok()
        .filter(|path| !path.starts_with(".."))
        .unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const TMPFS: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n";
    const V1: &str = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    const V2: &str = "low 0\nhigh 0\nmax 8\noom 2\noom_kill 2\noom_group_kill 0\n";

    /// A tree with these two files in `/proc/self`, and one more.
    fn tree(cgroup: &str, mountinfo: &str, file: &str, text: &str) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [("proc/self/cgroup", cgroup), ("proc/self/mountinfo", mountinfo), (file, text)] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn kills(root: &TempDir) -> Option<u64> {
        Cgroup::find(root.path())?.oom_kills()
    }

    fn mount(root: &str, at: &str, kind: &str, options: &str) -> String {
        format!("35 31 0:32 {root} {at} rw,relatime shared:9 - {kind} {kind} rw,{options}\n")
    }

    #[test]
    fn version_2_in_a_namespace_of_its_own_and_without() {
        let mounts = mount("/", "/sys/fs/cgroup", "cgroup2", "nsdelegate");
        assert_eq!(kills(&tree("0::/\n", &mounts, "sys/fs/cgroup/memory.events", V2)), Some(2));
        let file = "sys/fs/cgroup/kubepods/pod7/memory.events";
        assert_eq!(kills(&tree("0::/kubepods/pod7\n", &mounts, file, V2)), Some(2));
    }

    #[test]
    fn version_1_as_a_container_sees_it() {
        let groups = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n";
        let mounts = TMPFS.to_owned()
            + &mount("/docker/abc", "/sys/fs/cgroup/cpu", "cgroup", "cpu,cpuacct")
            + &mount("/docker/abc", "/sys/fs/cgroup/memory", "cgroup", "memory");
        let file = "sys/fs/cgroup/memory/memory.oom_control";
        assert_eq!(kills(&tree(groups, &mounts, file, V1)), Some(3));
        let deeper = groups.replace("memory:/docker/abc", "memory:/docker/abc/build");
        let file = "sys/fs/cgroup/memory/build/memory.oom_control";
        assert_eq!(kills(&tree(&deeper, &mounts, file, V1)), Some(3));
    }

    #[test]
    fn side_by_side_the_memory_controller_decides() {
        let groups = "4:memory:/a\n0::/a\n";
        let mounts = mount("/", "/sys/fs/cgroup/unified", "cgroup2", "nsdelegate")
            + &mount("/", "/sys/fs/cgroup/memory", "cgroup", "memory");
        assert_eq!(kills(&tree(groups, &mounts, "sys/fs/cgroup/memory/a/memory.oom_control", V1)), Some(3));
        let groups = "4:cpu:/a\n0::/a\n";
        assert_eq!(kills(&tree(groups, &mounts, "sys/fs/cgroup/unified/a/memory.events", V2)), Some(2));
    }

    #[test]
    fn another_namespace_s_path_is_not_followed_out_of_the_mount() {
        let mounts = mount("/", "/sys/fs/cgroup", "cgroup2", "nsdelegate");
        assert_eq!(kills(&tree("0::/../other\n", &mounts, "sys/fs/cgroup/memory.events", V2)), Some(2));
        let mounts = mount("/docker/abc", "/sys/fs/cgroup/memory", "cgroup", "memory");
        let groups = "4:memory:/elsewhere\n";
        assert_eq!(kills(&tree(groups, &mounts, "sys/fs/cgroup/memory/memory.oom_control", V1)), Some(3));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        let mounts = mount("/", "/sys/fs/cgroup", "cgroup2", "nsdelegate");
        assert_eq!(kills(&tree("0::/\n", &mounts, "sys/fs/cgroup/other", "")), None, "no such file");
        let old = "oom_kill_disable 0\nunder_oom 0\n";
        let v1 = mount("/", "/sys/fs/cgroup/memory", "cgroup", "memory");
        assert_eq!(kills(&tree("4:memory:/\n", &v1, "sys/fs/cgroup/memory/memory.oom_control", old)), None);
        assert_eq!(kills(&tree("0::/\n", TMPFS, "sys/fs/cgroup/memory.events", V2)), None, "not mounted");
        assert_eq!(Cgroup::find(Path::new("/nonexistent")), None);
    }
}

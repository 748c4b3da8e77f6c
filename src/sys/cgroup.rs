//! The container's own cgroup, wherever it is mounted: version 2, version 1, or both side by side; what cannot be read is absent.
//!
//! `/proc/self/cgroup` says which cgroup is ours in each hierarchy, `mountinfo` which part of a hierarchy is mounted
//! where. A container sees its cgroup as the mount's root, or below the path its engine gave it. A controller that a
//! hierarchy of version 1 has, version 2 does not have. Pressure is version 2's own, with or without controllers.

mod peak;

pub use peak::{JobPeak, PeakCounter};

use crate::domain::job_summary::UsageLimits;
use procfs::process::{MountInfo, MountInfos};
use procfs::{FromRead as _, ProcessCGroups};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What can be short, in the order of [`Cgroup::pressure`].
const PRESSURES: [&str; 3] = ["cpu.pressure", "memory.pressure", "io.pressure"];

/// Our cgroup: where each controller's files are, if they are anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    memory: Option<Files>,
    cpu: Option<Files>,
    unified: Option<PathBuf>,
}

/// The files of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Files {
    V1(PathBuf),
    V2(PathBuf),
}

impl Cgroup {
    /// Looks below `root`: `/`, or a tree that stands for it.
    pub fn find(root: &Path) -> Cgroup {
        let groups = ProcessCGroups::from_file(root.join("proc/self/cgroup")).map(|found| found.0);
        let mounts = MountInfos::from_file(root.join("proc/self/mountinfo")).map(|found| found.0);
        let (Ok(groups), Ok(mounts)) = (groups, mounts) else { return Cgroup::default() };
        let place = |group: &str, is_ours: &dyn Fn(&&MountInfo) -> bool| {
            let mount = mounts.iter().find(is_ours)?;
            Some(below(root, &mount.mount_point).join(inside(group, &mount.root)))
        };
        let v2 = groups.iter().find(|group| group.hierarchy == 0);
        let unified = v2.and_then(|group| place(&group.pathname, &|mount| mount.fs_type == "cgroup2"));
        let controller = |name: &str| match groups.iter().find(|g| g.controllers.iter().any(|c| c == name)) {
            Some(group) => place(&group.pathname, &|mount| {
                mount.fs_type == "cgroup" && mount.super_options.contains_key(name)
            })
            .map(Files::V1),
            None => unified.clone().map(Files::V2),
        };
        Cgroup { memory: controller("memory"), cpu: controller("cpuacct"), unified }
    }

    /// How many processes of it the kernel has killed for memory; version 2 counts those of its children too.
    pub fn oom_kills(&self) -> Option<u64> {
        entry(&self.memory.as_ref()?.either("memory.oom_control", "memory.events"), "oom_kill")
    }

    /// Memory in use, the page cache included, bytes.
    pub fn memory(&self) -> Option<u64> {
        number(&self.memory.as_ref()?.either("memory.usage_in_bytes", "memory.current"))
    }

    /// CPU time used since the cgroup was made.
    pub fn cpu_time(&self) -> Option<Duration> {
        match self.cpu.as_ref()? {
            Files::V1(dir) => number(&dir.join("cpuacct.usage")).map(Duration::from_nanos),
            Files::V2(dir) => entry(&dir.join("cpu.stat"), "usage_usec").map(Duration::from_micros),
        }
    }

    /// What it may use of processors and memory, by its own settings; those of a cgroup above it cannot be seen from within.
    pub fn limits(&self) -> UsageLimits {
        UsageLimits { cpus: self.cpu_limit(), memory: self.memory_limit() }
    }

    /// Version 1 writes the largest number of pages for "no limit", which no machine has.
    fn memory_limit(&self) -> Option<u64> {
        const UNLIMITED: u64 = 1 << 60;
        number(&self.memory.as_ref()?.either("memory.limit_in_bytes", "memory.max"))
            .filter(|max| *max < UNLIMITED)
    }

    /// A quota of a period, `max` or -1 for none (`sched-bwc.rst`).
    fn cpu_limit(&self) -> Option<f64> {
        let [quota, period] = match self.cpu.as_ref()? {
            Files::V1(dir) => ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map(|file| number(&dir.join(file))),
            Files::V2(dir) => {
                let text = std::fs::read_to_string(dir.join("cpu.max")).ok()?;
                let mut numbers = text.split_ascii_whitespace().map(|word| word.parse().ok());
                [numbers.next().flatten(), numbers.next().flatten()]
            }
        };
        let micros = |count: u64| u32::try_from(count).ok().filter(|count| *count > 0).map(f64::from);
        Some(micros(quota?)? / micros(period?)?)
    }

    /// Time for which some process was held up for want of CPU, memory and IO, in this order (`Documentation/accounting/psi.rst`).
    pub fn pressure(&self) -> [Option<Duration>; 3] {
        PRESSURES.map(|file| {
            let text = std::fs::read_to_string(self.unified.as_ref()?.join(file)).ok()?;
            let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
            let total = some.split_ascii_whitespace().find_map(|field| field.strip_prefix("total="))?;
            total.parse().ok().map(Duration::from_micros)
        })
    }

    /// What tells the most memory in use.
    pub fn peak_counter(&self) -> Option<PeakCounter> {
        Some(match self.memory.as_ref()? {
            Files::V1(dir) => PeakCounter::of_v1(dir.join("memory.max_usage_in_bytes")),
            Files::V2(dir) => PeakCounter::of_v2(dir.join("memory.peak")),
        })
    }
}

impl Files {
    fn either(&self, v1: &str, v2: &str) -> PathBuf {
        match self {
            Files::V1(dir) => dir.join(v1),
            Files::V2(dir) => dir.join(v2),
        }
    }
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The value behind `key` in a file of one pair per line.
fn entry(file: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
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
        Cgroup::find(root.path()).oom_kills()
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
        assert_eq!(Cgroup::find(Path::new("/nonexistent")), Cgroup::default());
    }

    /// A tree with these files besides.
    fn with(root: TempDir, files: &[(&str, &str)]) -> TempDir {
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn version_2_tells_memory_cpu_and_pressure() {
        let mounts = mount("/", "/sys/fs/cgroup", "cgroup2", "nsdelegate");
        let pressure = |total| {
            format!("some avg10=1.00 avg60=0.00 avg300=0.00 total={total}\nfull avg10=0.00 total=7\n")
        };
        let root = with(
            tree("0::/\n", &mounts, "sys/fs/cgroup/memory.events", V2),
            &[
                ("sys/fs/cgroup/memory.current", "4096\n"),
                ("sys/fs/cgroup/cpu.stat", "nr_usage_usec 1\nusage_usec 2500000\nuser_usec 1\n"),
                ("sys/fs/cgroup/cpu.pressure", &pressure(1_500_000)),
                ("sys/fs/cgroup/io.pressure", &pressure(3)),
            ],
        );
        let cgroup = Cgroup::find(root.path());
        assert_eq!(cgroup.memory(), Some(4096));
        assert_eq!(cgroup.cpu_time(), Some(Duration::from_millis(2500)));
        let want = [Some(Duration::from_millis(1500)), None, Some(Duration::from_micros(3))];
        assert_eq!(cgroup.pressure(), want, "memory's cannot be read");
    }

    #[test]
    fn each_controller_is_looked_for_in_its_own_hierarchy() {
        let groups = "4:memory:/a\n3:cpu,cpuacct:/b\n0::/c\n";
        let mounts = mount("/", "/sys/fs/cgroup/unified", "cgroup2", "nsdelegate")
            + &mount("/", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct")
            + &mount("/", "/sys/fs/cgroup/memory", "cgroup", "memory");
        let root = with(
            tree(groups, &mounts, "sys/fs/cgroup/memory/a/memory.oom_control", V1),
            &[
                ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "8192\n"),
                ("sys/fs/cgroup/cpu,cpuacct/b/cpuacct.usage", "1500000000\n"),
                ("sys/fs/cgroup/unified/c/memory.pressure", "some avg10=0.00 total=9\n"),
            ],
        );
        let cgroup = Cgroup::find(root.path());
        assert_eq!((cgroup.oom_kills(), cgroup.memory()), (Some(3), Some(8192)));
        assert_eq!(cgroup.cpu_time(), Some(Duration::from_millis(1500)));
        assert_eq!(cgroup.pressure(), [None, Some(Duration::from_micros(9)), None]);
    }

    #[test]
    fn limits_are_those_that_are_set() {
        let v2 = mount("/", "/sys/fs/cgroup", "cgroup2", "nsdelegate");
        let v1 = mount("/", "/sys/fs/cgroup/cpu", "cgroup", "cpu,cpuacct")
            + &mount("/", "/sys/fs/cgroup/memory", "cgroup", "memory");
        let groups = "4:memory:/\n3:cpu,cpuacct:/\n";
        let of_v2 = |memory, cpu| {
            let files = [("sys/fs/cgroup/memory.max", memory), ("sys/fs/cgroup/cpu.max", cpu)];
            Cgroup::find(with(tree("0::/\n", &v2, "x", ""), &files).path()).limits()
        };
        let of_v1 = |memory, quota| {
            let cpu = "sys/fs/cgroup/cpu/cpu.cfs_period_us";
            let files = [("sys/fs/cgroup/memory/memory.limit_in_bytes", memory), (cpu, "100000\n")];
            let root = with(tree(groups, &v1, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota), &files);
            Cgroup::find(root.path()).limits()
        };
        let some = |cpus, memory| UsageLimits { cpus: Some(cpus), memory: Some(memory) };
        assert_eq!(of_v2("4294967296\n", "150000 100000\n"), some(1.5, 1 << 32));
        assert_eq!(of_v2("max\n", "max 100000\n"), UsageLimits::default());
        assert_eq!(of_v1("4294967296\n", "50000\n"), some(0.5, 1 << 32));
        assert_eq!(of_v1("9223372036854771712\n", "-1\n"), UsageLimits::default());
        assert_eq!(Cgroup::default().limits(), UsageLimits::default());
    }

    /// Where this machine has a cgroup with these files, they tell what a process does.
    #[test]
    fn the_real_one_tells_what_we_use() {
        let cgroup = Cgroup::find(Path::new("/"));
        let Some((memory, cpu)) = cgroup.memory().zip(cgroup.cpu_time()) else {
            eprintln!("*** SKIPPED, NOTHING WAS CHECKED: no cgroup that tells memory and CPU time ***");
            return;
        };
        assert!(memory > 0);
        let mut spent = 0_u64;
        while cgroup.cpu_time().is_some_and(|now| now < cpu + Duration::from_millis(20)) {
            spent = spent.wrapping_mul(31).wrapping_add(7);
        }
        assert!(cgroup.cpu_time() >= Some(cpu + Duration::from_millis(20)), "{spent}");
        let mut peak = JobPeak::begin(cgroup.peak_counter(), cgroup.memory());
        let block = vec![1_u8; 64 << 20];
        peak.sample(cgroup.memory());
        assert!(peak.read().is_some_and(|peak| peak >= block.len() as u64), "{:?}", peak.read());
    }
}

//! Container jobs. What keeps the runner from `container:`, `services:` and Docker actions though an engine's socket is
//! there: it refuses them where its cgroup names docker, and mounts paths that are the engine's host's, not ours.

use procfs::FromRead as _;
use procfs::process::{MountInfo, MountInfos};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// What the runner looks for in `/proc/1/cgroup`, in any case.
const REFUSED: &str = ":/docker/";

/// One thing in their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What was seen.
    pub why: String,
    /// What that does, and what to do.
    pub says: &'static str,
}

/// What is in their way: `None` where none of these sockets is there, so that nobody expects such jobs.
pub fn obstacles(sockets: &[PathBuf], work: &Path) -> Option<Vec<Obstacle>> {
    let resolved = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_socket = |path: &&PathBuf| path.metadata().is_ok_and(|found| found.file_type().is_socket());
    let there: Vec<PathBuf> = sockets.iter().filter(is_socket).map(|path| resolved(path)).collect();
    (!there.is_empty()).then(|| below(Path::new("/"), &there, &resolved(work)))
}

/// The same below a root that stands for `/`; the paths are without links.
fn below(root: &Path, sockets: &[PathBuf], work: &Path) -> Vec<Obstacle> {
    let cgroup = std::fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let refused = cgroup.lines().find(|line| line.to_ascii_lowercase().contains(REFUSED));
    let refused = refused.map(|line| Obstacle {
        why: format!("/proc/1/cgroup has {line}"),
        says: "the runner refuses container jobs in such a container: start it with --cgroupns=private (compose: cgroup: private)",
    });
    let mounts =
        MountInfos::from_file(root.join("proc/self/mountinfo")).map(|found| found.0).unwrap_or_default();
    // A socket that was mounted by itself is the host's; one in a shared directory may be a side-car's, whose paths are not known.
    let is_the_hosts = sockets.iter().any(|socket| mounts.iter().any(|mount| mount.mount_point == *socket));
    // Of two at one place the later one is on top.
    let holds = mounts.iter().filter(|mount| work.starts_with(&mount.mount_point));
    let holds = holds.max_by_key(|mount| mount.mount_point.as_os_str().len()).filter(|_| is_the_hosts);
    let elsewhere = holds.filter(|mount| !may_be_the_hosts(mount)).map(|mount| Obstacle {
        why: format!("{} lies in {} on the host", work.display(), place(mount)),
        says: "container jobs and Docker actions would find empty directories: mount the work directory at the host's own path, as \
               compose/container-jobs.yml does",
    });
    refused.into_iter().chain(elsewhere).collect()
}

/// Whether this can have the same path on the host. A whole file system may be mounted at any path there.
fn may_be_the_hosts(mount: &MountInfo) -> bool {
    let (here, there) = (&mount.mount_point, Path::new(&mount.root));
    let there = there.strip_prefix("/").unwrap_or(there);
    // On btrfs the path begins with a subvolume, whose name says nothing of where it is mounted.
    let is_subvolume = mount.fs_type == "btrfs" && there.file_name() == here.file_name();
    here != Path::new("/") && (here.ends_with(there) || is_subvolume)
}

fn place(mount: &MountInfo) -> &str {
    if mount.mount_point == Path::new("/") { "the container's own layer" } else { &mount.root }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice;

    const SOCKET: &str = "40 31 0:25 /docker.sock /run/docker.sock rw - tmpfs tmpfs rw";
    const SHARED: &str = "40 31 8:1 /var/lib/kubelet/pods/1/volumes/sock /run rw - ext4 /dev/sda1 rw";
    const LAYER: &str = "31 30 0:50 / / rw - overlay overlay rw,upperdir=/u";
    const WORK: &str = "/srv/ci/one";

    fn found(cgroup: &str, mounts: &[&str]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [("proc/1/cgroup", cgroup.to_owned()), ("proc/self/mountinfo", mounts.join("\n"))]
        {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let obstacles = below(root.path(), &["/run/docker.sock".into()], Path::new(WORK));
        obstacles.into_iter().map(|obstacle| obstacle.why).collect()
    }

    #[test]
    fn a_cgroup_that_names_docker_is_what_the_runner_refuses() {
        let work = "41 31 8:1 /srv/ci/one /srv/ci/one rw - ext4 /dev/sda1 rw";
        for (cgroup, refused) in [
            ("12:pids:/docker/0123\n0::/docker/0123\n", Some("/proc/1/cgroup has 12:pids:/docker/0123")),
            ("0::/Docker/0123\n", Some("/proc/1/cgroup has 0::/Docker/0123")),
            ("0::/\n", None),
            ("0::/system.slice/docker-0123.scope\n", None),
            ("", None),
        ] {
            assert_eq!(found(cgroup, &[LAYER, SOCKET, work]), Vec::from_iter(refused), "{cgroup}");
        }
    }

    #[test]
    fn a_work_directory_at_another_path_than_on_the_host_is_found() {
        let volume = "41 31 8:1 /var/lib/docker/volumes/ci_work/_data /srv/ci/one rw - ext4 /dev/sda1 rw";
        let is_elsewhere = "/srv/ci/one lies in /var/lib/docker/volumes/ci_work/_data on the host";
        assert_eq!(found("0::/", &[LAYER, SOCKET, volume]), [is_elsewhere]);
        let own = "/srv/ci/one lies in the container's own layer on the host";
        assert_eq!(found("0::/", &[LAYER, SOCKET]), [own]);
        let other = "41 31 8:1 /srv/other /srv/ci/one rw - ext4 /dev/sda1 rw";
        assert_eq!(found("0::/", &[LAYER, SOCKET, other]), ["/srv/ci/one lies in /srv/other on the host"]);
        let alike = "41 31 0:30 /@data/two /srv/ci/one rw - btrfs /dev/sdb rw";
        assert_eq!(found("0::/", &[LAYER, SOCKET, alike]), ["/srv/ci/one lies in /@data/two on the host"]);
    }

    #[test]
    fn what_may_be_the_host_s_own_path_is_not_complained_about() {
        for mount in [
            "41 31 8:1 /srv/ci /srv/ci rw - ext4 /dev/sda1 rw",
            "41 31 8:1 /ci/one /srv/ci/one rw - ext4 /dev/sdb1 rw",
            "41 31 8:1 / /srv/ci rw - ext4 /dev/sdb1 rw",
            "41 31 0:30 /@srv/ci/one /srv/ci/one rw - btrfs /dev/sdb rw",
            "41 31 0:30 /@home/one /srv/ci/one rw - btrfs /dev/sdb rw",
        ] {
            assert_eq!(found("0::/", &[LAYER, SOCKET, mount]), [""; 0], "{mount}");
        }
        assert_eq!(found("0::/", &[LAYER, SHARED]), [""; 0], "a side-car's socket, perhaps");
    }

    #[test]
    fn without_a_socket_nobody_expects_such_jobs() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        assert_eq!(obstacles(slice::from_ref(&socket), dir.path()), None);
        std::fs::write(&socket, "").unwrap();
        assert_eq!(obstacles(slice::from_ref(&socket), dir.path()), None, "it is a file");
        std::fs::remove_file(&socket).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(obstacles(&[socket], dir.path()).is_some());
    }
}

//! Images without a download: this machine's own shell and C library, the binary under test, and the simulated runner laid out
//! as a real one.

use crate::docker::{command, docker, succeeded};
use runner_sim::{Scenario, install};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The programs of a job: what a shell script of the tests calls, and what the runner's own scripts do.
const PROGRAMS: [&str; 12] =
    ["bash", "cat", "chmod", "chown", "dirname", "env", "id", "ls", "mkdir", "sleep", "test", "touch"];
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_runner-init");
/// Where every snippet of the documentation puts it.
const INSTALLED: &str = "/usr/local/bin/runner-init";

/// As `runner-images/standard` lays it out; the runner is not registered yet.
const STANDARD: &str = r#"
USER root
COPY --from=binary --chmod=0711 /runner-init /usr/local/bin/runner-init
COPY --chown=1001:1001 runner /actions-runner
COPY --chown=1001:1001 empty /home/runner
COPY --chown=1001:1001 empty /home/runner/_work
COPY --chown=1001:1001 empty /home/runner/.cache
COPY --chown=1001:1001 empty /var/lib/runner-init
ENV DISABLE_AUTO_UPDATE=true
EXPOSE 9091
HEALTHCHECK --interval=1s --start-interval=1s CMD ["/usr/local/bin/runner-init", "health"]
USER 1001
ENTRYPOINT ["/usr/local/bin/runner-init"]
"#;

/// Who is in `/etc/passwd` besides root.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

pub(crate) const RUNNER: User = User { name: "runner", uid: 1001, gid: 1001 };

/// The image of the compose tests.
pub(crate) fn standard() -> String {
    build("standard", RUNNER, STANDARD)
}

/// The image people copy from.
pub(crate) fn binary() -> String {
    let recipe = "FROM scratch\nCOPY --chmod=0755 runner-init /runner-init\n";
    cached("binary", recipe, |dir| {
        fs::copy(BINARY, dir.join("runner-init")).unwrap();
    })
}

/// An image that goes on from a little system with this user; of the recipe's context there are `runner`, a directory with an
/// unpacked simulated runner, and `empty`.
pub(crate) fn build(name: &str, user: User, recipe: &str) -> String {
    let User { name: login, uid, gid } = user;
    let head = format!(
        "# {login} {uid}:{gid}\nFROM {} AS binary\nFROM scratch\nCOPY system /\nENV PATH=/usr/local/bin:/usr/bin\n",
        binary()
    );
    cached(name, &(head + recipe), |dir| {
        system(&dir.join("system"), user);
        runner(&dir.join("runner"));
        fs::create_dir(dir.join("empty")).unwrap();
    })
}

/// Builds it unless it is there; an older one of this name goes.
pub(crate) fn cached(name: &str, recipe: &str, fill: impl FnOnce(&Path)) -> String {
    let found = fs::metadata(BINARY).unwrap();
    let stamp = format!("{recipe}{:?}{}{}", PROGRAMS, found.len(), found.mtime_nsec() ^ found.mtime());
    let repository = format!("composetest/{name}");
    let tag = format!("{repository}:{:08x}", crc32fast::hash(stamp.as_bytes()));
    if command().args(["image", "inspect", &tag]).output().unwrap().status.success() {
        return tag;
    }
    let dir = TempDir::new().unwrap();
    fill(dir.path());
    fs::write(dir.path().join("Dockerfile"), recipe).unwrap();
    succeeded(command().args(["build", "--quiet", "--tag", &tag]).arg(dir.path()), name);
    for old in docker(&["image", "ls", &repository, "--format", "{{.Repository}}:{{.Tag}}"]).lines() {
        // One that is in use stays.
        let _ = (old != tag).then(|| command().args(["image", "rm", old]).output());
    }
    tag
}

/// Programs with their libraries where the loader looks for them, and the two databases of users.
fn system(root: &Path, user: User) {
    for dir in ["etc/ssl/certs", "usr/bin", "tmp", "run", "proc", "dev"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    for name in PROGRAMS {
        let program = crate::ns::program(name).unwrap_or_else(|| panic!("there is no {name}"));
        fs::copy(&program, root.join("usr/bin").join(name)).unwrap();
        libraries(&program, root);
    }
    symlink("bash", root.join("usr/bin/sh")).unwrap();
    libraries(Path::new(BINARY), root);
    let User { name, uid, gid } = user;
    let passwd = format!("root:x:0:0:root:/root:/bin/bash\n{name}:x:{uid}:{gid}::/home/{name}:/bin/bash\n");
    fs::write(root.join("etc/passwd"), passwd).unwrap();
    fs::write(root.join("etc/group"), format!("root:x:0:\n{name}:x:{gid}:\n")).unwrap();
    let authorities = Path::new("/etc/ssl/certs/ca-certificates.crt");
    fs::copy(authorities, root.join("etc/ssl/certs/ca-certificates.crt"))
        .expect("this machine's certificates");
}

pub(crate) fn libraries(program: &Path, root: &Path) {
    let out = Command::new("ldd").arg(program).output().expect("ldd starts");
    for library in
        String::from_utf8_lossy(&out.stdout).split_whitespace().filter(|word| word.starts_with('/'))
    {
        let to = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(library, to).unwrap();
    }
}

/// Unpacked, and never configured; it connects at once, plays one short job and waits.
fn runner(root: &Path) {
    let steps = json!([{ "job": { "name": "build", "ms": 100, "spawn_ms": 10 } }]);
    install(root, Path::new(INSTALLED), &scenario(&steps)).unwrap();
    for file in [".runner", ".credentials", ".credentials_rsaparams"] {
        fs::remove_file(root.join(file)).unwrap();
    }
    fs::remove_dir(root.join("_work")).unwrap();
}

/// One launch with these steps.
pub(crate) fn scenario(steps: &serde_json::Value) -> Scenario {
    serde_json::from_value(json!({ "launches": [{ "connect_ms": 10, "steps": steps }] })).unwrap()
}

/// A file that everybody may read, in a directory that everybody may look into.
pub(crate) fn readable(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    path
}

//! Stand-ins for the three images nobody can pull here: Debian's own Prometheus and Alertmanager with the paths, the user and
//! the busybox of the real images, and for Grafana, which Debian does not have, a web server that starts only if everything
//! is where Grafana will look for it.
//!
//! What this shows of the first two is their behaviour under these files, in Debian's version. Of Grafana it shows mounts,
//! rights and addresses, and nothing of Grafana itself.

use crate::docker::repository;
use crate::image::{BINARY, cached, libraries, standard};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What the images are made of: the program there, its name here, and the Debian package.
pub(crate) const PROGRAMS: [&str; 5] =
    ["busybox", "prometheus", "promtool", "prometheus-alertmanager", "amtool"];

/// As `prom/prometheus` has it: programs in `/bin`, nobody, its data in `/prometheus`.
const PROMETHEUS: &str = r#"
COPY --chown=65534:65534 empty /prometheus
USER 65534
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
"#;

/// As `prom/alertmanager` has it.
const ALERTMANAGER: &str = r#"
COPY --chown=65534:65534 empty /alertmanager
USER 65534
WORKDIR /alertmanager
ENTRYPOINT ["/bin/alertmanager"]
CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
"#;

/// As `grafana/grafana` has it: uid 472 in group 0, its data in `/var/lib/grafana`, `/api/health` on port 3000.
const GRAFANA: &str = r#"
COPY --chown=472:0 empty /var/lib/grafana
COPY srv /srv
COPY run.sh /run.sh
USER 472
WORKDIR /srv
STOPSIGNAL SIGKILL
ENTRYPOINT ["/bin/sh", "/run.sh"]
"#;

/// What it needs as 472, or it ends with the first line that fails; then the health endpoint.
const RUN: &str = "set -eu
date > /var/lib/grafana/written
test -n \"$GF_SECURITY_ADMIN_PASSWORD\"
cat /etc/grafana/provisioning/datasources/*.yml /etc/grafana/provisioning/dashboards/*.yml > /dev/null
cat /etc/grafana/runner-init/*.json > /dev/null
exec httpd -f -p 3000 -h /srv
";

pub(crate) fn prometheus() -> String {
    build("prometheus", &[("prometheus", "prometheus"), ("promtool", "promtool")], PROMETHEUS)
}

pub(crate) fn alertmanager() -> String {
    // Debian's reads its templates from a file.
    let recipe = format!("COPY share /usr/share/prometheus/alertmanager\n{ALERTMANAGER}");
    build("alertmanager", &[("prometheus-alertmanager", "alertmanager"), ("amtool", "amtool")], &recipe)
}

pub(crate) fn grafana() -> String {
    build("grafana", &[], GRAFANA)
}

/// The stage `demo` of the real Dockerfile, on a system that has a shell too.
pub(crate) fn demo() -> String {
    let dockerfile = fs::read_to_string(repository("runner-images/binary/Dockerfile")).unwrap();
    let (_, rest) = dockerfile.split_once("FROM ${BUILD_IMAGE} AS demo").expect("the stage");
    let (stage, _) = rest.split_once("\nFROM ").expect("a stage behind it");
    let built = "FROM scratch AS build-demo\nCOPY --chmod=0711 runner-init /out/runner-init\n";
    let recipe = format!("{built}FROM {} AS demo{stage}\n", standard());
    cached("demo", &recipe, |dir| {
        fs::copy(BINARY, dir.join("runner-init")).unwrap();
    })
}

/// busybox, these programs by these names, and their libraries; of the recipe's context there is `empty` too.
fn build(name: &str, programs: &[(&str, &str)], recipe: &str) -> String {
    let path = |program: &str| crate::ns::program(program).unwrap_or_else(|| panic!("there is no {program}"));
    let sizes: Vec<u64> = programs.iter().map(|(from, _)| fs::metadata(path(from)).unwrap().len()).collect();
    let head = format!("# {sizes:?} {}\nFROM scratch\nCOPY system /\n", crc32fast::hash(RUN.as_bytes()));
    cached(name, &(head + recipe), |dir| {
        let root = dir.join("system");
        for made in ["system/bin", "system/etc", "system/tmp", "empty", "share", "srv/api"] {
            fs::create_dir_all(dir.join(made)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "nobody:x:65534:65534::/:/bin/sh\ngrafana:x:472:0::/:/bin/sh\n")
            .unwrap();
        fs::copy(path("busybox"), root.join("bin/busybox")).unwrap();
        for applet in ["cat", "date", "httpd", "id", "ls", "netstat", "sh", "test", "touch", "wget"] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        for (from, to) in programs {
            fs::copy(path(from), root.join("bin").join(to)).unwrap();
            libraries(&path(from), &root);
        }
        for template in fs::read_dir("/usr/share/prometheus/alertmanager").into_iter().flatten().flatten() {
            if template.path().is_file() {
                fs::copy(template.path(), dir.join("share").join(template.file_name())).unwrap();
            }
        }
        write(dir, "srv/api/health", "{\"database\": \"ok\"}\n");
        write(dir, "run.sh", RUN);
    })
}

fn write(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}

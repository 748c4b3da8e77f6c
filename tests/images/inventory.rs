//! What is in an image and could be a way up: every set-id program and file capability has a reason, every added package too.

use crate::docker::{IMAGES, image, script};
use crate::require_engine;
use std::collections::BTreeSet;

/// Programs that run as somebody else, and why they are there. None helps a job: root has no password, and there is no `sudo`.
const SET_ID: &[(&str, &str)] = &[
    ("/usr/bin/chage", "passwd, of the base"),
    ("/usr/bin/chfn", "passwd, of the base"),
    ("/usr/bin/chsh", "passwd, of the base"),
    ("/usr/bin/expiry", "passwd, of the base"),
    ("/usr/bin/gpasswd", "passwd, of the base"),
    ("/usr/bin/mount", "mount, of the base; mounts nothing without CAP_SYS_ADMIN"),
    ("/usr/bin/newgrp", "passwd, of the base"),
    ("/usr/bin/passwd", "passwd, of the base"),
    ("/usr/bin/ssh-agent", "openssh-client: group _ssh, so that its memory is its own"),
    ("/usr/bin/su", "util-linux, of the base"),
    ("/usr/bin/umount", "mount, of the base"),
    ("/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "dbus, of the browser: for members of messagebus alone"),
    ("/usr/lib/openssh/ssh-keysign", "openssh-client: switched off by its configuration"),
    ("/usr/sbin/unix_chkpwd", "pam, of the base"),
];

/// Directories that everybody may write to without the sticky bit, files that everybody may write to: none.
const OPEN: &str = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o \
    \\( -type d -perm -0002 ! -perm -1000 -o -type f -perm -0002 \\) -print";
/// What root's group may write, which any user of a platform may choose is in: the directories of the runner's user, and nothing else.
const OF_THE_GROUP: &str = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /home/runner \
    -o -path /var/lib/runner-init \\) -prune -o ! -type l -group 0 -perm -0020 ! -perm -1000 -print";
const SET: &str = "find / -xdev -type f -perm /6000 -print";
/// Files with a capability, by the attribute the kernel reads.
const CAPABLE: &str = "python3 - <<'END'
import os
for top, dirs, files in os.walk('/'):
    dirs[:] = [d for d in dirs if os.path.join(top, d) not in ('/proc', '/sys', '/dev')]
    for name in files:
        path = os.path.join(top, name)
        try:
            if 'security.capability' in os.listxattr(path, follow_symlinks=False): print(path)
        except OSError: pass
END";
/// Who has a password, or none where one is asked for.
const PASSWORDS: &str =
    "awk -F: '$2 !~ /^[*!]/ { print $1 }' /etc/shadow; awk -F: '$2 != \"x\" { print $1 }' /etc/passwd";
/// What builds leave behind: lists of packages, keys of hosts, caches, what a secret of the build was.
const LEFT: &str = "find /var/lib/apt/lists /root /tmp /var/tmp -type f ! -name '.*rc' ! -name .profile ! -name .ssh ! -name .docker; \
    find /etc/ssh -name 'ssh_host_*'; find /run/secrets -mindepth 1 2> /dev/null || true";
const PACKAGES: &str = "dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\\n'";

/// As root, who can look everywhere; not of the image's own, whose user cannot.
fn as_root(name: &str, text: &str) -> Vec<String> {
    let said = crate::docker::docker(&[
        "run",
        "--rm",
        "--user",
        "0",
        "--network",
        "none",
        "--entrypoint",
        "sh",
        &image(name),
        "-euc",
        text,
    ]);
    said.lines().map(str::to_owned).collect()
}

#[test]
fn every_program_that_runs_as_somebody_else_has_a_reason() {
    require_engine!();
    let mut seen = BTreeSet::new();
    for name in IMAGES {
        for path in as_root(name, SET) {
            assert!(
                SET_ID.iter().any(|(known, _)| *known == path),
                "{name}: {path} has no reason to be there"
            );
            seen.insert(path);
        }
        assert_eq!(as_root(name, CAPABLE), [""; 0], "{name}: capabilities of files");
    }
    // The base's are in every image, so the search works.
    for (path, reason) in SET_ID.iter().filter(|(_, reason)| reason.contains("of the base")) {
        assert!(seen.contains(*path), "{path} ({reason}) is in no image any more");
    }
}

#[test]
fn nothing_is_open_and_nothing_is_left_behind() {
    require_engine!();
    for name in IMAGES {
        assert_eq!(as_root(name, OPEN), [""; 0], "{name}: writable by everybody");
        assert_eq!(as_root(name, OF_THE_GROUP), [""; 0], "{name}: writable by root's group");
        assert_eq!(as_root(name, PASSWORDS), [""; 0], "{name}: can log in");
        assert_eq!(as_root(name, LEFT), [""; 0], "{name}: left behind");
    }
    let planted = format!("mkdir /open; chmod 777 /open; touch /root/token; {OPEN}; {LEFT}; {OF_THE_GROUP}");
    assert_eq!(
        as_root("standard", &planted),
        ["/open", "/root/token", "/open"],
        "the search finds what is there"
    );
}

/// The packages of each image, for whoever looks for a fault in one; a job may not add any.
#[test]
fn the_packages_are_known() {
    require_engine!();
    let mut before: BTreeSet<String> = BTreeSet::new();
    for name in IMAGES {
        let packages: BTreeSet<String> = as_root(name, PACKAGES).into_iter().collect();
        println!(
            "{name}: {} packages, {} more than before",
            packages.len(),
            packages.difference(&before).count()
        );
        assert!(packages.is_superset(&before), "{name} is what is below it, and more");
        for absent in ["sudo ", "gosu ", "openssh-server ", "cron ", "docker.io "] {
            assert!(!packages.iter().any(|package| package.starts_with(absent)), "{name} has {absent}");
        }
        before = packages;
    }
    assert_eq!(script("standard", "apt-get install -y sudo > /dev/null 2>&1 && echo yes || echo no"), "no\n");
}

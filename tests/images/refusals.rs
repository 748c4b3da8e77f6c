//! What is wrong with how a container is started is told in one clear line, with the documented exit code.

use crate::docker::{Container, attempt, image, job, launches};
use crate::require_engine;

const REGISTERS: [&str; 4] = ["-e", "GITHUB_REPOSITORY=o/r", "-e", "RUNNER_TOKEN=registration"];

/// Exit code and stderr of a container that refuses to start.
fn refusal(options: &[&str]) -> (i32, String) {
    let (code, out, err) = attempt(&[&["run", "--rm"], options, &[&image("standard")]].concat());
    assert_eq!(out, "", "{err}");
    (code, err)
}

#[test]
fn a_demo_is_not_in_a_runner_s_binary_and_it_says_where_there_is_one() {
    require_engine!();
    let alone = "cp /usr/local/bin/runner-init /tmp/ && exec /tmp/runner-init demo --speed 10";
    let (code, out, said) =
        attempt(&["run", "--rm", "--user=0", "--entrypoint=sh", &image("standard"), "-euc", alone]);
    assert_eq!((code, out.as_str()), (64, ""), "{said}");
    assert!(said.contains("no demo") && said.contains("-f compose/demo.yml up"), "{said}");
}

#[test]
fn no_credential_and_no_target_are_two_faults() {
    require_engine!();
    let (code, said) = refusal(&[]);
    assert_eq!(code, 64, "{said}");
    let faults: Vec<&str> = said.lines().filter(|line| line.contains(": no ")).collect();
    assert_eq!(faults.len(), 2, "{said}");
    assert!(faults[0].starts_with("GITHUB_TOKEN: no credential"), "{said}");
    assert!(faults[1].starts_with("GITHUB_REPOSITORY: no target"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_registered() {
    require_engine!();
    let first = Container::create("standard", &[], launches(&[&[]]));
    first.start();
    first.until_ready();
    let network = format!("--network=container:{}", first.id());
    let (code, said) = refusal(&[&[network.as_str()], &REGISTERS[..]].concat());
    assert_eq!((code, said.lines().count()), (71, 1), "{said}");
    assert!(said.contains("cannot listen on 0.0.0.0:9091"), "{said}");
}

#[test]
fn directories_of_another_s_are_refused_by_name() {
    require_engine!();
    for (option, directory, mends) in [
        // The runner's own directory is open to any user, the home is not.
        ("--user=4711:4711", "/home/runner", "or run it as 4711:0"),
        ("--tmpfs=/home/runner/_work:uid=0,mode=755", "/home/runner/_work", "chown -R"),
    ] {
        let (code, said) = refusal(&[&[option], &REGISTERS[..]].concat());
        assert_eq!((code, said.lines().count()), (64, 1), "{said}");
        assert!(said.contains(&format!("cannot write {directory}, ")) && said.contains(mends), "{said}");
    }
}

#[test]
fn a_state_directory_that_cannot_be_written_does_not_stop_the_runner() {
    require_engine!();
    // The mode is that of the image's directory, whatever is asked for.
    let options = ["--tmpfs=/var/lib/runner-init:uid=0"];
    let c = Container::create("standard", &options, launches(&[&[job("one", "true")]]));
    c.start();
    c.until_jobs("success", 1.0);
    assert_eq!(c.metric("github_runner_journal_faults_total", "kind=\"unusable\""), Some(1.0), "{}", c.log());
    let faults: Vec<String> =
        c.log().lines().filter(|line| line.contains("level=error")).map(str::to_owned).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let says = "/var/lib/runner-init/jobs.log: uid 1001 cannot write /var/lib/runner-init, which belongs to 0:0 (mode 775): \
        chown -R 1001:1001 /var/lib/runner-init";
    assert!(faults[0].contains(says), "{faults:?}");
}

#[test]
fn a_job_may_use_the_engine_s_socket_by_its_group() {
    require_engine!();
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let Some(socket) = host.strip_prefix("unix://") else {
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: the engine is not on this machine ***\n");
        return;
    };
    let gid = std::os::unix::fs::MetadataExt::gid(&std::fs::metadata(socket).expect("a socket"));
    let (volume, group) = (format!("--volume={socket}:/var/run/docker.sock"), format!("--group-add={gid}"));
    let steps = [job("docker", "docker version && docker compose version && docker buildx version")];
    let c = Container::create("standard", &[&volume, &group], launches(&[&steps]));
    c.start();
    c.until_jobs("success", 1.0);
    let without =
        Container::create("standard", &[&volume], launches(&[&[job("docker", "! docker version")]]));
    without.start();
    without.until_jobs("success", 1.0);
}

#[test]
fn little_shared_memory_is_told_to_whoever_runs_a_browser() {
    require_engine!();
    for (name, size, told) in [
        ("chrome", "--shm-size=64m", true),
        ("chrome", "--shm-size=1g", false),
        ("standard", "--shm-size=64m", false),
    ] {
        let container = Container::create(name, &[size], launches(&[&[]]));
        container.start();
        container.until_ready();
        let lines = container.log().matches("event=little_shared_memory").count();
        assert_eq!(lines, usize::from(told), "{name} {size}: {}", container.log());
    }
}

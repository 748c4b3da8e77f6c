//! What jobs leave behind, black box: it goes once the job has ended, and nothing else goes with it.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use runner_init::sys::cgroup::Cgroup;
use serde_json::{Value, json};
use std::path::Path;
use supervised::{Plan, SET_UPS, Supervised, job, plan, runner};

/// What a browser leaves: each double-forked and without a terminal. One obeys, one is deaf and starts its child again,
/// one has a session of its own and two children.
const BROWSER: &str = r#"
orphan() { ( "$@" </dev/null >/dev/null 2>&1 & ) ; }
orphan sleep 601
orphan bash -c 'trap "" TERM; while :; do sleep 602; done'
orphan setsid bash -c 'sleep 603 & sleep 603 & wait'
"#;
/// Processes of it that are told to end, at least: who is told early has not started its children yet.
const BROWSERS: f64 = 3.0;

/// A job of one script, whose worker does not look for orphans itself.
fn script(text: &str) -> Value {
    let worker = json!({ "keep_orphans": true });
    json!({ "job": { "name": "script", "spawn_ms": 0, "worker": worker, "steps": [{ "run": text }] } })
}

/// A runner that takes 25 such jobs one right behind the other, and one more later: jobs closer together than we read may
/// be counted late.
fn rush(pause_ms: u64, job: &Value) -> Plan {
    let pause = |ms: u64| json!({ "idle_ms": ms });
    let rush = (0..25).flat_map(|_| [pause(20 * pause_ms), job.clone()]);
    let last = json!({ "job": { "name": "last", "spawn_ms": 20_000, "ms": 1000 } });
    let steps: Vec<Value> = [pause(10_000)].into_iter().chain(rush).chain([pause(20_000), last]).collect();
    let launch = json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": steps });
    plan(json!({ "speed": 20, "launches": [launch] }))
}

fn metric(s: &Supervised, name: &str) -> Option<f64> {
    s.metric(&format!("github_runner_{name}"))
}

/// Results as the listener printed them: of jobs this close, ours may be counted late.
fn results(s: &Supervised) -> Vec<String> {
    let out = String::from_utf8_lossy(&s.out()).into_owned();
    let results = out.lines().filter_map(|line| line.split("completed with result: ").nth(1));
    results.map(str::to_owned).collect()
}

fn until_jobs(s: &mut Supervised, count: usize) {
    // They are many, one behind the other.
    s.until_within(supervised::PATIENCE * 4, &format!("{count} jobs have ended"), |s| {
        results(s).len() == count
    });
}

/// How many there are with this command line.
fn count(s: &Supervised, command: &str) -> usize {
    let line = |pid: &i32| ns::read(Path::new(&format!("/proc/{pid}/cmdline"))).replace('\0', " ");
    s.all_processes().iter().filter(|pid| line(pid).trim_end() == command).count()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn after_a_hundred_browsers_everything_is_as_before() {
    require!("namespace", "bash", "setsid");
    let round = || {
        let kept = "( env -i sleep 604 </dev/null >/dev/null 2>&1 & )\n\
                    ( RUNNER_TRACKING_ID=\"\" sleep 605 </dev/null >/dev/null 2>&1 & )\n";
        let mut s = rush(50, &script(&(kept.to_owned() + BROWSER))).start();
        s.until_state("idle");
        let baseline = s.all_processes().len();
        until_jobs(&mut s, 26);
        s.until("only what was kept is left", |s| s.all_processes().len() == baseline + 50);
        assert_eq!((count(&s, "sleep 604"), count(&s, "sleep 605")), (25, 25), "not of a job's id");
        assert_eq!(results(&s), vec!["Succeeded"; 26]);
        s.until("all are counted", |s| metric(s, "swept_processes_total") >= Some(25.0 * BROWSERS));
        s.until("no zombie is left", |s| metric(s, "zombie_processes") == Some(0.0));
        assert_eq!(ns::zombies(s.pid()), 0);
        assert_eq!(s.stop(), 0);
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(round))));
}

#[test]
fn asked_not_to_it_leaves_them() {
    require!("namespace", "bash", "setsid");
    let mut s = runner(&[script(BROWSER), job("next", 100)]).env("RUNNER_SWEEP", "false").start();
    until_jobs(&mut s, 2);
    let then = metric(&s, "uptime_seconds");
    s.until("a sweep would be over", |s| metric(s, "uptime_seconds") >= then.map(|up| up + 2.0));
    assert_eq!((count(&s, "sleep 601"), count(&s, "sleep 602"), count(&s, "sleep 603")), (1, 1, 2));
    assert_eq!(metric(&s, "swept_processes_total"), Some(0.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn a_job_right_behind_is_never_touched() {
    require!("namespace", "bash", "setsid");
    // It fails if one of its processes or files is taken away, and leaves somebody deaf: a sweep lasts for several jobs, and
    // the next one begins in the middle of one.
    let busy = r#"
        ( setsid bash -c 'trap "" TERM; sleep 606; sleep 606' </dev/null >/dev/null 2>&1 & )
        mkdir -p "$RUNNER_TEMP/d/e"; echo mine > "$RUNNER_TEMP/d/e/f"; echo mine > "$RUNNER_TEMP/f"
        sleep 0.05 & one=$!
        setsid sleep 0.1 & two=$!
        ( exec sleep 0.15 ) & three=$!
        wait $one; wait $two; wait $three
        test "$(cat "$RUNNER_TEMP/f")" = mine
        test "$(cat "$RUNNER_TEMP/d/e/f")" = mine
    "#;
    let round = || {
        let mut s = rush(0, &script(busy)).start();
        until_jobs(&mut s, 26);
        assert_eq!(results(&s), vec!["Succeeded"; 26], "{}", s.log());
        s.until("the last one is swept as well", |s| count(s, "sleep 606") == 0);
        assert_eq!(s.stop(), 0);
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(round))));
}

#[test]
fn what_a_killed_worker_left_goes_and_nothing_outside() {
    require!("namespace", "bash");
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::write(outside.path().join("precious"), "text").expect("ours");
    let killer = r#"
        mkdir -p "$RUNNER_TEMP/deep/er"; touch "$RUNNER_TEMP/deep/er/file"; touch "$GITHUB_WORKSPACE/made"
        ln -s OUTSIDE "$RUNNER_TEMP/link"; ln -s OUTSIDE/precious "$RUNNER_TEMP/deep/link"
        kill -9 $PPID; sleep 607
    "#;
    let killer = killer.replace("OUTSIDE", outside.path().to_str().expect("UTF-8"));
    let mut s = runner(&[script(&killer)]).start();
    until_jobs(&mut s, 1);
    assert_eq!(results(&s), ["Failed"]);
    for dir in ["runner/_work/_temp", "runner/_diag/pages", "runner/_diag/blocks"] {
        s.until(&format!("{dir} is empty"), |s| s.path(dir).is_dir() && names(&s.path(dir)).is_empty());
    }
    s.until("its processes are gone", |s| count(s, "sleep 607") == 0);
    s.until("the files are counted", |s| metric(s, "swept_files_total") >= Some(5.0));
    assert_eq!(names(outside.path()), ["precious"]);
    let workspaces = s.path("runner/_work");
    assert!(walk(&workspaces).iter().any(|path| path.ends_with("made")), "the workspace is the job's");
    assert!(names(&s.path("runner/_diag")).iter().any(|name| name.starts_with("Worker_")));
    assert_eq!(s.stop(), 0);
}

#[test]
fn the_blocks_that_a_big_job_of_a_persistent_runner_leaves_go_after_it() {
    require!("namespace", "bash");
    // Its step's and its job's log passed 2 MiB: each leaves its last block, though everything went well.
    let left = r"head -c 600000 /dev/zero | tee ../../../_diag/blocks/left.1 > ../../../_diag/blocks/left.2";
    let mut s = runner(&[script(left), json!({ "idle_ms": 2000 }), script("true")]).start();
    until_jobs(&mut s, 1);
    s.until("its blocks are gone", |s| names(&s.path("runner/_diag/blocks")).is_empty());
    assert_eq!(results(&s), ["Succeeded"], "before the next one: {}", s.log());
    s.until("they are counted", |s| metric(s, "swept_files_total") == Some(2.0));
    until_jobs(&mut s, 2);
    assert_eq!(s.stop(), 0);
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn an_ephemeral_runner_s_last_job_is_swept_before_it_leaves() {
    require!("namespace", "bash");
    let last = script("touch \"$RUNNER_TEMP/left\"; kill -9 $PPID; sleep 608");
    let mut s = runner(&[last, json!({ "exit": 0 })]).start();
    assert_eq!(s.exit_code(), 0);
    assert!(s.log().contains("event=swept processes="), "{}", s.log());
    assert_eq!(names(&s.path("runner/_work/_temp")), [""; 0]);
}

#[test]
fn under_another_init_it_sweeps_its_own_jobs_and_no_other_runner_s() {
    require!("namespace", "bash");
    // A shell is PID 1, and started by no job of ours.
    let foreign = "RUNNER_TRACKING_ID=github_foreign RUNNER_TEMP=/tmp sleep 609 </dev/null >/dev/null 2>&1 &";
    let shell = format!("{foreign}\n\"$@\"; exit $?");
    let left = "( sleep 608 </dev/null >/dev/null 2>&1 & )";
    let mut s = runner(&[script(left), job("next", 100)]).through(&["sh", "-c", &shell, "sh"]).start();
    until_jobs(&mut s, 2);
    s.until("its own is swept", |s| metric(s, "swept_processes_total") == Some(1.0));
    s.until("it is gone", |s| count(s, "sleep 608") == 0);
    assert_eq!(count(&s, "sleep 609"), 1, "another runner's leftover is not ours");
    let supervisor = s.processes("runner-init");
    ns::send(supervisor[0], nix::sys::signal::Signal::SIGTERM);
    assert_eq!(s.exit_code(), 0);
}

#[test]
fn a_runner_of_another_user_is_swept_by_a_root_that_may_not_look_into_others() {
    require!("namespace", "root", "bash", "setpriv");
    let left =
        "( sleep 610 </dev/null >/dev/null 2>&1 & )\ntouch \"$RUNNER_TEMP/left\"; kill -9 $PPID; sleep 610";
    let confined = ["setpriv", "--bounding-set=-sys_ptrace", "--"];
    let mut s = runner(&[script(left)]).with_runner_user(4321).through(&confined).start();
    until_jobs(&mut s, 1);
    s.until("its processes are gone", |s| count(s, "sleep 610") == 0);
    s.until("they are counted", |s| metric(s, "swept_processes_total") >= Some(2.0));
    s.until("its files are gone", |s| names(&s.path("runner/_work/_temp")).is_empty());
    assert_eq!(s.stop(), 0);
}

#[test]
fn with_no_process_to_be_had_it_sweeps_all_the_same() {
    require!("namespace", "root", "setpriv", "prlimit", "bash");
    // Of one user a job can take from the supervisor what leftovers in every place would: the right to one thread more.
    let left = "for i in 1 2 3 4 5; do ( sleep 611 </dev/null >/dev/null 2>&1 & ); done
        prlimit --nproc=1:1 --pid $(cut -d ' ' -f 1 /proc/1/task/1/children)";
    let mut s = runner(&[script(left)]).owned_by(4711).start();
    until_jobs(&mut s, 1);
    assert_eq!(results(&s), ["Succeeded"], "{}", s.log());
    s.until("its processes are gone", |s| count(s, "sleep 611") == 0);
    s.until("they are counted", |s| metric(s, "swept_processes_total") == Some(5.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn asked_for_all_it_ends_whoever_came_with_a_job_and_nobody_from_outside() {
    require!("namespace", "root", "bash", "setsid", "setpriv", "nsenter");
    // Without an id, without an environment, deaf, with children.
    let left = r#"
        ( env -i setsid sleep 612 </dev/null >/dev/null 2>&1 & )
        ( RUNNER_TRACKING_ID= setsid bash -c 'trap "" TERM; while :; do sleep 613; done' </dev/null >/dev/null 2>&1 & )
        ( env -i bash -c 'sleep 614 & exec sleep 615' </dev/null >/dev/null 2>&1 & )
        until test -s "$RUNNER_TEMP/../outside"; do sleep 0.02; done
    "#;
    for set_up in SET_UPS {
        let next = job("next", 1000);
        let mut s = set_up(runner(&[script(left), next])).env("RUNNER_SWEEP", "all").start();
        s.until("the job runs", |s| count(s, "sleep 614") == 1);
        // As `docker exec` does it.
        let pid = s.pid().to_string();
        let mut outside = std::process::Command::new("nsenter")
            .args(["-t", &pid, "-p", "--", "bash", "-c", "sleep 616; exit 7"])
            .spawn()
            .expect("it is there");
        let guests = |outside: &std::process::Child| {
            let all = ns::descendants(outside.id().cast_signed());
            all.iter()
                .filter(|pid| {
                    ns::read(Path::new(&format!("/proc/{pid}/cmdline"))).split('\0').eq(["sleep", "616", ""])
                })
                .count()
        };
        s.until("all are there, and somebody from outside", |s| {
            guests(&outside) == 1
                && ["612", "613", "615"].iter().all(|n| count(s, &format!("sleep {n}")) == 1)
        });
        std::fs::write(s.path("runner/_work/outside"), "there").expect("ours");
        for gone in ["612", "613", "614", "615"] {
            s.until(&format!("{gone} is gone"), |s| count(s, &format!("sleep {gone}")) == 0);
        }
        until_jobs(&mut s, 2);
        assert_eq!(results(&s), ["Succeeded", "Succeeded"], "{}", s.log());
        s.until("they are counted", |s| metric(s, "swept_processes_total") >= Some(5.0));
        assert_eq!(guests(&outside), 1, "who is from outside stays");
        assert_eq!(s.stop(), 0);
        // The namespace has ended, and with it who was in it.
        assert_ne!(outside.wait().expect("a child").code(), Some(7));
    }
}

#[test]
fn all_is_refused_where_others_live() {
    require!("namespace");
    // A shell in front is PID 1, as any init would be; and there is no namespace.
    let behind = || runner(&[]).through(&["sh", "-c", "\"$@\"; exit $?", "sh"]);
    for plan in [behind(), runner(&[]).without_namespace()] {
        let mut s = plan.env("RUNNER_SWEEP", "all").start();
        assert_eq!(s.exit_code(), 64, "{}", s.log());
        assert!(s.log().contains("RUNNER_SWEEP: expected true or false"), "{}", s.log());
    }
}

#[test]
fn who_is_called_a_worker_keeps_nobody_from_being_swept() {
    require!("namespace", "root", "bash", "setsid", "setpriv");
    let named = r#"
        cp "$(command -v sleep)" "$RUNNER_TEMP/../Runner.Worker"
        RUNNER_TRACKING_ID= setsid "$RUNNER_TEMP/../Runner.Worker" 617 </dev/null >/dev/null 2>&1 &
        until grep -qs Runner.Worker /proc/$!/comm; do sleep 0.02; done
    "#;
    let left = "( sleep 618 </dev/null >/dev/null 2>&1 & )";
    for set_up in SET_UPS {
        let mut s = set_up(runner(&[script(named), script(left)])).start();
        until_jobs(&mut s, 2);
        assert_eq!(results(&s), ["Succeeded", "Succeeded"], "{}", s.log());
        s.until("it is counted", |s| metric(s, "swept_processes_total") == Some(1.0));
        s.until("what has an id is gone", |s| count(s, "sleep 618") == 0);
        assert_eq!(s.stop(), 0);
    }
}

/// A field of the last row of the job log.
fn field(s: &Supervised, name: &str) -> String {
    let text = ns::read(&s.path("state/jobs.log"));
    let at = text.lines().next().and_then(|head| head.split(',').position(|column| column == name));
    let last = text.lines().last().unwrap_or_default().split(',').nth(at.expect("a column"));
    last.unwrap_or_default().to_owned()
}

#[test]
fn a_job_s_row_tells_what_it_used() {
    require!("namespace", "bash");
    let burn = "for i in $(seq 60000); do :; done";
    let mut s = runner(&[script(burn)]).start();
    s.until("the job is written down", |s| s.results().len() == 1);
    let (cpu, peak) = (field(&s, "cpu_seconds"), field(&s, "peak_memory_bytes"));
    let cgroup = Cgroup::find(Path::new("/"));
    match cgroup.cpu_time() {
        Some(_) => assert!(cpu.parse::<f64>().is_ok_and(|cpu| cpu > 0.01), "{cpu:?}"),
        None => assert_eq!(cpu, "", "unknown is absent"),
    }
    match cgroup.memory() {
        Some(_) => {
            assert!(peak.parse::<u64>().is_ok_and(|peak| peak > 1 << 20), "{peak:?}");
            s.until("it is a gauge", |s| metric(s, "job_peak_memory_bytes") == peak.parse().ok());
            assert!(metric(&s, "container_memory_bytes") > Some(f64::from(1 << 20)));
        }
        None => assert_eq!(peak, "", "unknown is absent"),
    }
    assert!(metric(&s, "work_dir_free_bytes") > Some(0.0));
    assert_eq!(s.metric("github_runner_container_cpu_seconds_total").is_some(), cgroup.cpu_time().is_some());
    let is_told = s.metric("github_runner_pressure_seconds_total{resource=\"memory\"}").is_some();
    assert_eq!(is_told, cgroup.pressure()[1].is_some());
    assert_eq!(s.stop(), 0);
}

#[test]
fn the_runner_s_logs_stay_below_the_limit() {
    require!("namespace", "bash");
    let mut first = runner(&[]).start();
    first.until_state("idle");
    assert_eq!(first.stop(), 0);
    let diag = first.path("runner/_diag");
    std::fs::write(diag.join("Worker_19990101-000000-utc.log"), vec![0; 2 << 20]).expect("ours");
    // The second is newer, so that it is not the newest that would have to go.
    std::fs::write(diag.join("Worker_20000101-000000-utc.log"), "text").expect("ours");
    let grow = script("head -c 2000000 /dev/zero > ../../../_diag/SelfUpdate-1.log");
    let mut s = runner(&[json!({ "idle_ms": 1000 }), grow]);
    s = s.in_dir_of(&first).env("RUNNER_DIAG_MAX_MB", "1").env("RUNNER_SWEEP", "false");
    let mut s = s.start();
    s.until("at the start", |s| metric(s, "swept_files_total") >= Some(1.0));
    assert!(!diag.join("Worker_19990101-000000-utc.log").exists());
    s.until("after the job", |s| metric(s, "swept_files_total") >= Some(2.0));
    assert!(!diag.join("SelfUpdate-1.log").exists());
    for kind in ["Runner_", "Worker_"] {
        assert!(names(&diag).iter().any(|name| name.starts_with(kind)), "the newest {kind} stays");
    }
    assert_eq!(s.stop(), 0);
}

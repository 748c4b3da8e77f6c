//! A job sees none of our secrets: not in its environment, not in the listener's, not in ours through `/proc`.

use crate::supervised::{Plan, runner};
use crate::{ns, require};
use serde_json::json;

const SECRETS: [(&str, &str); 4] = [
    ("METRICS_AUTH_TOKEN", "sesame-open-now-please"),
    ("GITHUB_TOKEN", "ghp_neverToBeSeen"),
    ("ACCESS_TOKEN", "ghp_neverToBeSeen"),
    ("ACTIONS_RUNNER_INPUT_TOKEN", "AABBneverToBeSeen"),
];

/// What a thief would try; each answer goes to a file beside the workspace.
const SCRIPT: &str = r#"
worker=$PPID
read -r _ _ _ listener _ < /proc/$worker/stat
read -r _ _ _ supervisor _ < /proc/$listener/stat
cd "$RUNNER_WORKSPACE"
env > own
cat /proc/$worker/environ > worker
cat /proc/$listener/environ > listener
for pid in 1 $supervisor; do
  for file in environ maps fd/0 root/etc/passwd; do
    if cat /proc/$pid/$file > /dev/null 2> /dev/null; then echo "$pid $file" >> read; else echo "$pid $file" >> denied; fi
  done
done
echo "$supervisor" > supervisor
"#;

#[test]
fn of_the_same_user_a_job_reads_nothing_of_ours() {
    require!("namespace", "root", "setpriv", "bash");
    let thief = json!({ "job": { "name": "thief", "steps": [{ "run": SCRIPT }] } });
    let mut plan = runner(&[thief]).owned_by(65534).env("HARMLESS", "may pass");
    for (name, value) in SECRETS {
        plan = plan.env(name, value);
    }
    let mut s = plan.start();
    s.until("the thief is done", |s| s.results().len() == 1);
    assert_eq!(s.results(), ["success"], "{}", s.log());
    let file = |name: &str| ns::read(&s.path(&format!("runner/_work/widgets/{name}")));
    for place in ["own", "worker", "listener"] {
        let text = file(place);
        assert!(text.contains("HARMLESS=may pass"), "{place} could be read: {text}");
        for (name, value) in SECRETS {
            assert!(!text.contains(name) && !text.contains(value), "{name} in {place}: {text}");
        }
    }
    assert_eq!(file("supervisor"), "2\n", "the thief has looked at the right process");
    assert_eq!(file("read"), "", "nothing of PID 1 and the supervisor can be read");
    assert_eq!(file("denied").lines().count(), 8);
    let all = [s.log(), String::from_utf8_lossy(&s.out()).into_owned()].concat();
    assert!(SECRETS.iter().all(|(_, value)| !all.contains(value)), "nor do we say it: {all}");
    assert_eq!(s.stop(), 0);
}

/// What docker's `--init` is: PID 1 that is given everything and hides nothing.
#[test]
fn an_init_before_us_that_can_be_read_is_told() {
    require!("namespace", "root", "setpriv", "tini");
    let log = |plan: Plan| {
        let mut s = plan.env(SECRETS[1].0, SECRETS[1].1).start();
        s.until_state("idle");
        assert_eq!(s.stop(), 0);
        s.log()
    };
    let init = ["tini", "--"];
    let told = log(runner(&[]).owned_by(1001).under(&init));
    let warnings: Vec<&str> = told.lines().filter(|line| line.contains("level=warn")).collect();
    assert_eq!(warnings.len(), 1, "{told}");
    let says = "event=configuration variable=GITHUB_TOKEN says=\"stands in the environment of process 1 too, where every job";
    assert!(warnings[0].contains(says) && !told.contains(SECRETS[1].1), "{told}");
    // The jobs of the first are another's, who may not look into root's; before the second there is nobody.
    for plan in [runner(&[]).with_runner_user(1001).under(&init), runner(&[]).owned_by(1001)] {
        let told = log(plan);
        assert!(!told.contains("level=warn"), "{told}");
    }
}

type SetUp = fn(Plan) -> Plan;

#[test]
fn a_secret_s_file_that_jobs_can_read_is_told() {
    require!("namespace", "root", "setpriv");
    let says = "variable=METRICS_AUTH_TOKEN_FILE says=\"names a file that jobs can read";
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("ours");
    };
    std::fs::write(&file, "a-token-of-sixteen-and-more").expect("ours");
    mode(dir.path(), 0o755);
    let set_ups: [(SetUp, u32, bool); 3] = [
        (|plan| plan.owned_by(1001), 0o644, true),
        (|plan| plan.with_runner_user(1001), 0o644, true),
        (|plan| plan.with_runner_user(1001), 0o400, false),
    ];
    for (set_up, bits, is_told) in set_ups {
        mode(&file, bits);
        let path = file.to_str().expect("UTF-8");
        let mut s = set_up(runner(&[])).env("METRICS_AUTH_TOKEN_FILE", path).start();
        s.until_log("event=session_created");
        assert_eq!(s.log().contains(says), is_told, "{bits:o}: {}", s.log());
        assert_eq!(s.stop(), 0);
    }
}

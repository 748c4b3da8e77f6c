//! Whose word counts: the worker's, where its report went out. The listener is a script; its workers leave logs as the real ones do.

use crate::claims::listener;
use crate::supervised::Row;
use crate::{ns, require};

/// `work NAME RESULT LAST-LINES…`: a Worker that leaves a log with that result and those records behind it.
const WORK: &str = r#"
record() { echo "[$(date -u '+%Y-%m-%d %H:%M:%SZ') $*"; }
work() {
    say Running job: "$1"
    bin/Runner.Worker 0.6 &
    sleep 0.3
    log=_diag/Worker_$(date -u '+%Y%m%d-%H%M%S-%N')-utc.log
    record "INFO JobRunner] Job result after all job steps finish: $2" >$log
    shift 2
    for text; do record "$text" >>$log; done
    wait
}
raised='INFO JobRunner] Raising job completed against run service'
done='INFO Worker] Job completed.'
thrown='ERR  Worker] System.AggregateException: One or more errors occurred.'
"#;

fn told(row: &Row) -> (&str, &str, &str) {
    (&row.status, &row.conclusion, &row.cause)
}

#[test]
fn a_conclusion_is_what_github_has() {
    require!("namespace");
    let mut s = listener(&format!(
        r#"{WORK}
        work plain Succeeded "$raised" "$done"; say Job plain completed with result: Succeeded
        work deleted Succeeded "$raised" "$done"; say Job deleted completed with result: Canceled
        work refused Succeeded "$raised" "$done" "$thrown"; say Job refused completed with result: Failed
        work lost Canceled "INFO Worker] Cancellation/Shutdown message received." "$raised"; say Job lost completed with result: Abandoned
        work killed Failed; say Job killed completed with result: Failed
        exec sleep 600"#
    ));
    s.until("all are over", |s| s.results().len() == 5);
    let table = s.table();
    let rows: Vec<_> = table.iter().filter(|row| row.status != "running").map(told).collect();
    assert_eq!(
        rows,
        [
            ("success", "success", ""),
            ("success", "success", ""),
            ("failed", "", "not reported"),
            ("abandoned", "cancelled", "lock lost"),
            ("failed", "failure", ""),
        ],
        "{}",
        s.log()
    );
    s.until("they are counted", |s| s.metric("github_runner_jobs_total{status=\"failed\"}") == Some(2.0));
    assert_eq!(s.metric("github_runner_jobs_total{status=\"success\"}"), Some(2.0));
    assert_eq!(s.metric("github_runner_jobs_total{status=\"cancelled\"}"), Some(0.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn the_last_word_of_a_job_whose_listener_leaves_is_heard() {
    require!("namespace");
    let mut s = listener(&format!(
        r#"{WORK}
        work deleted Succeeded "$raised" "$done"; say Job deleted completed with result: Canceled
        rm .runner .credentials; exit 0"#
    ));
    assert_eq!(s.exit_code(), 0);
    assert_eq!(s.results(), ["success"], "{}", s.log());
}

#[test]
fn a_log_that_is_no_file_says_nothing() {
    require!("namespace");
    let mut s = listener(&format!(
        r"{WORK}
        say Running job: a; bin/Runner.Worker 0.6 & sleep 0.2
        mkfifo _diag/Worker_1.log; ln -s /etc/passwd _diag/Worker_2.log; wait
        say Job a completed with result: Failed
        exec sleep 600"
    ));
    s.until("it is over", |s| s.results().len() == 1);
    assert_eq!(s.results(), ["failed"], "{}", s.log());
    assert_eq!(s.stop(), 0);
}

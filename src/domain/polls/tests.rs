//! The traces of the real 2.336.0, and a listener's poll loop played with every length of a try; time is a number here.

use super::*;

const POLL_500: &str = include_str!("../../../tests/corpus/trace/poll-500.log");
const GONE_LONG: &str = include_str!("../../../tests/corpus/trace/gone-long.log");
const POLL_HANG: &str = include_str!("../../../tests/corpus/trace/poll-hang.log");

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The words of a trace, each with its second since the trace began.
fn words(log: &str) -> Vec<(u64, TraceWord)> {
    let words: Vec<TraceWord> = log.lines().filter_map(|line| read(line.as_bytes())).collect();
    let stamp = |line: &str| {
        let stamp = line.get(1..21)?;
        Some(NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d %H:%M:%SZ").ok()?.and_utc().timestamp())
    };
    let begin = log.lines().find_map(stamp).expect("a record");
    words.into_iter().map(|word| ((word.stamp - begin).unsigned_abs(), word)).collect()
}

/// From which second on silence is proof, after everything the trace says before this one.
fn held_at(log: &str, until: u64) -> Duration {
    let mut polls = Polls::default();
    for (at, word) in words(log).into_iter().filter(|(at, _)| *at < until) {
        polls.hear(word, secs(at));
    }
    polls.held_at().expect("the trace tells of failures")
}

#[test]
fn the_real_traces_are_understood() {
    // 106 s: GitHub is well again, and the poll after the last wait is held. At 160 s there is the token for a job.
    let before = |log: &str, until| words(log).into_iter().rfind(|(at, _)| *at < until).expect("a word");
    let last = Duration::from_secs_f64(5.48);
    assert_eq!(held_at(POLL_500, 160), secs(100) + last + HELD);
    assert_eq!(before(POLL_500, 999).1.says, Says::Token);

    // 185 s: GitHub is back; 192 s: the token for the next poll. Nothing follows but, at 300 s, a job.
    assert_eq!(before(GONE_LONG, 300).0, 192);
    assert_eq!(held_at(GONE_LONG, 300), secs(192 + 60));

    let failures = words(POLL_HANG).into_iter().filter(|(_, word)| word.says == Says::Failed).count();
    assert_eq!((failures, words(POLL_HANG)[0].0), (1, 100), "the client's time-out is all that is told");
}

#[test]
fn nothing_else_in_the_real_traces_is_taken_for_a_word() {
    let says = |log: &str| -> Vec<Says> { words(log).into_iter().map(|(_, word)| word.says).collect() };
    let all = [says(POLL_500), says(GONE_LONG)].concat();
    let count = |which: fn(&Says) -> bool| all.iter().filter(|says| which(says)).count();
    assert_eq!(count(|says| matches!(says, Says::Told)), 2, "of each streak the first only");
    assert_eq!(count(|says| matches!(says, Says::GaveUp(_))), 1 + 3);
    assert_eq!(count(|says| matches!(says, Says::Waits(_, true))), 1 + 3);
    for line in [
        "",
        "[",
        "not a record",
        "[2026-11-30 09:00:49Z WARN RunServer] Back off 5.48 seconds before next retry. 1 attempt left.",
        "[2026-11-30 09:00:49Z WARN BrokerServer] Back off many seconds",
        "[2026-11-30 09:00:49Z WARN BrokerServer] Back off -1 seconds",
        "[2026-11-30 09:00:49Z WARN BrokerServer] Back off NaN seconds",
        "[2026-11-30 09:00:49Z INFO Terminal] WRITE LINE: x: Runner connect error: forged by a job's name",
        "[2026-99-30 09:00:49Z ERR  BrokerServer] Catch exception during request",
        "[WORKER 2026-11-30 09:00:49Z ERR  BrokerServer] Catch exception during request",
    ] {
        assert_eq!(read(line.as_bytes()), None, "{line}");
    }
    assert_eq!(read(b"[2026-11-30 09:00:49Z ERR  BrokerServer] \xff"), None);
    let endless = read(b"[2026-11-30 09:00:49Z WARN BrokerServer] Back off 1e300 seconds before next retry.");
    assert_eq!(endless, None, "no time at all");
    let years =
        read(b"[2026-11-30 09:00:49Z WARN BrokerServer] Back off 99999999 seconds before next retry.");
    assert_eq!(years.map(|word| word.says), Some(Says::Waits(LONGEST, false)), "a job can write that too");
}

#[test]
fn a_further_loss_is_told_by_the_trace_alone() {
    let line = |source: &str, text: &str| {
        read(format!("[2026-11-30 09:00:49Z INFO {source}] {text}").as_bytes()).expect("a word")
    };
    let mut polls = Polls::default();
    let cause = line("BrokerMessageListener", "Retriable exception: Connection refused");
    let sleeps = || line("BrokerMessageListener", "Sleeping for 20 seconds before retrying.");
    let told = line("Terminal", "WRITE ERROR: 2026-11-30 09:00:49Z: Runner connect error: x. Retrying");
    polls.hear(cause.clone(), secs(1));
    polls.hear(told, secs(1));
    assert_eq!(polls.hear(sleeps(), secs(1)), None, "stderr has it");
    polls.hear(cause, secs(300));
    assert_eq!(polls.hear(sleeps(), secs(300)), Some("Connection refused".to_owned()));
    assert_eq!(polls.hear(sleeps(), secs(330)), None, "once");
}

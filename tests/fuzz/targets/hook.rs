//! A datagram is refused, or every field of its report is of its shape: encoded again it is within the limit and the same.

use runner_init::domain::context::{Context, DATAGRAM_LIMIT, Report, is_cache_kind};

pub(super) fn run(bytes: &[u8]) {
    let Ok(report) = Report::parse(bytes, super::utc()) else { return };
    if let Report::Started(context) | Report::Completed(context) = &report {
        shaped(context);
    } else if let Report::Cache { kind, .. } = &report {
        assert!(is_cache_kind(kind));
    }
    let again = report.encode();
    assert!(again.len() <= DATAGRAM_LIMIT);
    assert_eq!(Report::parse(&again, super::utc()).as_ref(), Ok(&report));
}

fn shaped(context: &Context) {
    let Context {
        repository,
        workflow,
        job_key,
        run_id,
        run_attempt,
        run_number,
        event,
        git_ref,
        sha,
        actor,
        commit_at: _,
        tracking_id,
    } = context;
    let texts = [
        repository,
        workflow,
        job_key,
        run_id,
        run_attempt,
        run_number,
        event,
        git_ref,
        sha,
        actor,
        tracking_id,
    ];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    }
    for number in [run_id, run_attempt, run_number].into_iter().flatten() {
        assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{number:?}");
    }
    assert_eq!(&context.clone().shaped(super::utc()), context);
}

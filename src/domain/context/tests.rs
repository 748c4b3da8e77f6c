//! Every field is of its shape or unknown, whatever is sent; and a commit has a time only where the event states one.

use super::*;
use proptest::prelude::*;

fn now() -> DateTime<Utc> {
    "2026-08-17T13:15:44Z".parse().unwrap()
}

fn context() -> Context {
    Context {
        repository: Some("octo-org/widgets".into()),
        workflow: Some("Build \"all\" / ä".into()),
        job_key: Some("build_1".into()),
        run_id: Some("17203344551".into()),
        run_attempt: Some("2".into()),
        run_number: Some("812".into()),
        event: Some("push".into()),
        git_ref: Some("refs/heads/main".into()),
        sha: Some("258d6c857f3b2a1c9e8d7f6a5b4c3d2e1f0a9b8c".into()),
        actor: Some("dependabot[bot]".into()),
        commit_at: Some("2026-08-17T12:58:03Z".parse().unwrap()),
        tracking_id: Some("github_3f2a1c9e-8d7f-4a5b-9c3d-2e1f0a9b8c7d".into()),
    }
}

#[test]
fn what_is_encoded_is_parsed() {
    let cache = Report::Cache { kind: "npm".into(), result: CacheResult::Partial };
    assert_eq!(cache.encode(), br#"{"v":1,"report":{"cache":{"kind":"npm","result":"partial"}}}"#);
    for report in [Report::Started(context()), Report::Completed(Context::default()), cache] {
        assert_eq!(Report::parse(&report.encode(), now()), Ok(report));
    }
}

#[test]
fn a_datagram_of_another_shape_is_a_fault() {
    let good = String::from_utf8(Report::Started(context()).encode()).unwrap();
    let bad = [
        String::new(),
        "null".into(),
        "{}".into(),
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        good.replace("\"v\":1", "\"v\":2"),
        good.replace("\"v\":1,", ""),
        good.replace("{\"v\":1", "{\"w\":1,\"v\":1"),
        good.replace("started", "begun"),
        good.replace("\"run_id\":\"17203344551\"", "\"run_id\":17203344551"),
        good.replace("\"sha\"", "\"shah\""),
        good.replace("\"actor\"", "\"sha\":\"\",\"actor\""),
        r#"{"v":1,"report":{"cache":{"kind":"NPM","result":"hit"}}}"#.into(),
        r#"{"v":1,"report":{"cache":{"kind":"","result":"hit"}}}"#.into(),
        r#"{"v":1,"report":{"cache":{"kind":"npm","result":"hits"}}}"#.into(),
        "[".repeat(DATAGRAM_LIMIT),
    ];
    for text in bad {
        assert_eq!(Report::parse(text.as_bytes(), now()), Err(ReportFault::Malformed), "{text}");
    }
    assert_eq!(Report::parse(b"{\"v\":1,\"report\":\"\xff\"}", now()), Err(ReportFault::Malformed));
    let padded = format!("{good}{}", " ".repeat(DATAGRAM_LIMIT - good.len()));
    assert_eq!(Report::parse(padded.as_bytes(), now()), Ok(Report::Started(context())));
    assert_eq!(Report::parse(format!("{padded} ").as_bytes(), now()), Err(ReportFault::Oversized));
}

/// Each is sent as it is; what arrives is this field emptied and every other kept.
#[test]
fn a_field_of_another_shape_is_unknown() {
    type Field = fn(&mut Context) -> &mut Option<String>;
    let long = "x".repeat(TEXT_LIMIT + 1);
    let table: [(Field, &[&str]); 11] = [
        (|c| &mut c.repository, &["widgets", "a/b/c", "/b", "a/", "a/b c", "../..", "a/b\n", "ä/b"]),
        (|c| &mut c.workflow, &["a\nb", "\u{1b}[31mred", "\u{85}", &long]),
        (|c| &mut c.job_key, &["a b", "a.b", "a\"", "ä", &long]),
        (|c| &mut c.run_id, &["-1", "1.0", "0x1", "1 ", "٣", "123456789012345678901"]),
        (|c| &mut c.run_attempt, &["+1"]),
        (|c| &mut c.run_number, &["one"]),
        (|c| &mut c.event, &["Push", "push\n", "a b", &long]),
        (|c| &mut c.git_ref, &["refs/heads/a\0b", &long]),
        (|c| &mut c.sha, &["258d6c8", "258d6c857f3b2a1c9e8d7f6a5b4c3d2e1f0a9b8g"]),
        (|c| &mut c.actor, &["a\rb", &long]),
        (|c| &mut c.tracking_id, &["github_", "1234", "github_1 2", "github_x"]),
    ];
    for (field, wrong) in table {
        for text in wrong {
            let mut sent = context();
            *field(&mut sent) = Some((*text).to_owned());
            let mut expected = context();
            *field(&mut expected) = None;
            let datagram = Report::Started(sent).encode();
            assert_eq!(Report::parse(&datagram, now()), Ok(Report::Started(expected)), "{text:?}");
        }
    }
}

#[test]
fn a_forged_time_is_unknown() {
    for (at, kept) in [("2005-01-01T00:00:00Z", true), ("2026-08-18T13:15:44Z", true)]
        .into_iter()
        .chain([("2004-12-31T23:59:59Z", false), ("2026-08-18T13:15:45Z", false)])
    {
        let sent = Context { commit_at: Some(at.parse().unwrap()), ..context() };
        let Ok(Report::Completed(got)) = Report::parse(&Report::Completed(sent.clone()).encode(), now())
        else {
            panic!("{at}");
        };
        assert_eq!(got.commit_at, sent.commit_at.filter(|_| kept), "{at}");
    }
}

#[test]
fn a_job_s_id_needs_both_its_parts() {
    assert_eq!(context().job_id().as_deref(), Some("17203344551_build_1"));
    assert_eq!(Context { run_id: None, ..context() }.job_id(), None);
    assert_eq!(Context { job_key: None, ..context() }.job_id(), None);
}

#[test]
fn only_events_that_state_it_have_a_commit_time() {
    let told = |event, body: &str| commit_time(event, body.as_bytes(), now()).map(|at| at.to_rfc3339());
    let push = r#"{"commits":[{"timestamp":"2001-01-01T00:00:00Z"}],"head_commit":{"id":"x","timestamp":"2026-08-17T14:58:03+02:00"}}"#;
    let run = format!(r#"{{"head_commit":null,"workflow_run":{push}}}"#);
    assert_eq!(told("push", push).as_deref(), Some("2026-08-17T12:58:03+00:00"));
    assert_eq!(told("push", &push.replace("17T14", "\\u0031\\u0037T14")), told("push", push));
    for event in ["workflow_run", "merge_group", "check_suite"] {
        let body = run.replace("workflow_run", event);
        assert_eq!((told(event, &body), tells_commit_time(event)), (told("push", push), true), "{event}");
        assert_eq!(told(event, push), None, "{event}: of another place");
        assert_eq!(told("push", &body), None, "{event}");
    }
    for event in ["pull_request", "schedule", "workflow_dispatch", ""] {
        assert_eq!((told(event, push), tells_commit_time(event)), (None, false), "{event}");
    }
    for body in [
        "",
        "[]",
        "{}",
        r#"{"head_commit":null}"#,
        r#"{"head_commit":{}}"#,
        r#"{"head_commit":{"timestamp":1786971483}}"#,
        r#"{"head_commit":{"timestamp":"yesterday"}}"#,
        r#"{"head_commit":{"timestamp":"1970-01-01T00:00:00Z"}}"#,
        r#"{"head_commit":{"timestamp":"2026-08-19T00:00:00Z"}}"#,
        &push[..push.len() - 1],
    ] {
        assert_eq!(told("push", body), None, "{body}");
    }
}

#[test]
fn words_are_read_back() {
    assert!(Moment::ALL.into_iter().all(|moment| moment.as_str().parse() == Ok(moment)));
    assert!(CacheResult::ALL.into_iter().all(|result| result.as_str().parse() == Ok(result)));
    assert_eq!("Hit".parse::<CacheResult>().unwrap_err().to_string(), "expected hit, partial or miss");
}

proptest! {
    #[test]
    fn whatever_the_environment_says_fits_into_a_datagram(texts in prop::collection::vec(".{0,1100}", 11)) {
        let mut texts = texts.into_iter();
        let mut text = || texts.next();
        let context = Context {
            repository: text(), workflow: text(), job_key: text(), run_id: text(), run_attempt: text(), run_number: text(),
            event: text(), git_ref: text(), sha: text(), actor: text(), commit_at: Some(now()), tracking_id: text(),
        }.shaped(now());
        let datagram = Report::Started(context.clone()).encode();
        prop_assert!(datagram.len() <= DATAGRAM_LIMIT);
        prop_assert_eq!(Report::parse(&datagram, now()), Ok(Report::Started(context)));
    }

    #[test]
    fn no_datagram_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Report::parse(&bytes, now()).is_err());
    }
}

/// The longest there can be: every text full of what must be escaped.
#[test]
fn the_longest_context_fits() {
    let full = || "\"".repeat(TEXT_LIMIT);
    let name = "n".repeat(100);
    let context = Context {
        repository: Some(format!("{name}/{name}")),
        workflow: Some(full()),
        job_key: Some("k".repeat(TEXT_LIMIT)),
        run_id: Some("9".repeat(20)),
        run_attempt: Some("9".repeat(20)),
        run_number: Some("9".repeat(20)),
        event: Some("e".repeat(64)),
        git_ref: Some(full()),
        sha: Some("f".repeat(64)),
        actor: Some(full()),
        commit_at: Some(now()),
        tracking_id: Some(format!("github_{}", "f".repeat(64))),
    };
    assert_eq!(context.clone().shaped(now()), context);
    assert!(Report::Started(context).encode().len() <= DATAGRAM_LIMIT);
}

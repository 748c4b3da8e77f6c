//! Ids are those that the receiver's own tests publish, a webhook's spans and ours make one tree, and both forms of a request say
//! the same.

use super::*;
use crate::domain::cache::{CacheType, Tally};
use crate::domain::context::Context;
use crate::domain::job::usage::Usage;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::steps::{JobSteps, Step, StepKind, StepResult};
use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// What the receiver's own test has: a run, its attempt, a check run, the job's name.
const PUBLISHED: [(&str, u64, &str); 2] =
    [("14796710445", 41_546_348_818, "build"), ("14460881260", 40_685_651_258, "test (1.23)")];

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + millis).expect("in range")
}

fn row((run, check, name): (&str, u64, &str)) -> JobRecord {
    JobRecord {
        job_id: format!("{run}_build"),
        job_name: Some(name.into()),
        started_at: Some(at(5_000)),
        timestamp: at(65_000),
        duration: Some(Duration::from_secs(60)),
        queue_time: Some(Duration::from_secs(5)),
        check_run_id: Some(check),
        status: RowStatus::Finished(JobStatus::Success),
        conclusion: Some("success".into()),
        context: Context {
            run_id: Some(run.into()),
            run_attempt: Some("13".into()),
            repository: Some("o/r".into()),
            workflow: Some("CI".into()),
            git_ref: Some("refs/heads/main".into()),
            sha: Some("ab".repeat(20)),
            ..Context::default()
        },
        usage: Usage { cpu_time: Some(Duration::from_millis(1_500)), peak_memory: Some(1 << 30) },
        ..JobRecord::blank()
    }
}

fn step(number: u32, name: &str, result: StepResult, from: i64, to: i64) -> Step {
    let kind = StepKind::Main;
    Step { number, name: name.into(), kind, result: Some(result), started: at(from), ended: at(to) }
}

fn steps() -> JobSteps {
    JobSteps::new([
        step(1, "Set up job", StepResult::Success, 5_100, 6_000),
        step(2, "Build", StepResult::Success, 6_000, 30_000),
        step(3, "Build", StepResult::Failure, 30_000, 60_000),
        step(4, "Deploy", StepResult::Skipped, 60_000, 60_000),
    ])
}

fn setup(ids: IdRule) -> TraceSetup {
    TraceSetup { runner: "r1".into(), server: "https://github.com".into(), ids }
}

fn trace(row: &JobRecord, steps: Option<&JobSteps>, ids: IdRule) -> Trace {
    let tally = Tally { hits: 3, ..Tally::default() };
    let caches = [CacheUse { kind: CacheType::Npm, tally, at: at(9_000) }];
    setup(ids).trace(JobFacts { row, steps, caches: &caches }).expect("it is over")
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a SpanValue> {
    let mut found = span.attributes.iter().filter(|(known, _)| *known == key);
    let value = found.next().map(|(_, value)| value);
    assert!(found.next().is_none(), "{key} twice");
    value
}

#[test]
fn ids_are_the_receiver_s() {
    let rows = PUBLISHED.map(row);
    let ids = |job: usize, rule| SpanIds::of(&rows[job], "r1", rule);
    let run = |ids: &SpanIds| (ids.trace.to_string(), ids.run.map(|run| run.to_string()).unwrap_or_default());
    for rule in [IdRule::CheckRun, IdRule::RunAttempt] {
        assert_eq!(
            run(&ids(0, rule)),
            ("0b0cff7305ff68eb7d1bb72c7fdbe277".into(), "3b54c768f3ef27e1".into())
        );
        assert_eq!(
            run(&ids(1, rule)),
            ("731ec8a47fd7450f753a812a4a8aa5a0".into(), "aba151af7cfbcf0f".into())
        );
    }
    let now = ids(0, IdRule::CheckRun);
    assert_eq!(now.job().to_string(), "fb6779d8c7b7c66c");
    assert_eq!(now.queue("queue-build").to_string(), "5ce15e491b4b01da");
    // The rule of a step, with the hash made elsewhere.
    assert_eq!(ids(1, IdRule::CheckRun).step("Set up job", 1, true).to_string(), "d592338e114eb265");
    let before = ids(0, IdRule::RunAttempt);
    assert_eq!(before.job().to_string(), "84e27971417e5249");
    assert_eq!(before.queue("queue-build").to_string(), "750687c67fcd26a3");
    let before = ids(1, IdRule::RunAttempt);
    assert_eq!(before.job().to_string(), "e68a36b3514c8634");
    assert_eq!(before.queue("queue-test (1.23)").to_string(), "d328504edfc4f5dc");
    assert_eq!(before.step("Set up job", 1, true).to_string(), "103b52e85d34ae1c");
    assert_eq!(before.step("Run actions/checkout@v4", 2, true).to_string(), "b0a2cdd89199b9a5");
}

#[test]
fn without_the_check_run_the_trace_is_right_and_the_rest_is_ours() {
    let known = row(PUBLISHED[0]);
    let unknown = JobRecord { check_run_id: None, ..known.clone() };
    let of = |row: &JobRecord, runner: &str| SpanIds::of(row, runner, IdRule::CheckRun);
    let (known, ours) = (of(&known, "r1"), of(&unknown, "r1"));
    assert_eq!((known.trace, known.run), (ours.trace, ours.run));
    assert_ne!(known.job(), ours.job());
    assert_eq!(known.execution(), ours.execution(), "known before GitHub has answered");
    assert_eq!((known.parent(true), ours.parent(true)), (known.job(), ours.execution()));
    assert_eq!(Some(ours.parent(false)), ours.run, "nobody would tell the other");
    assert_ne!(ours.job(), of(&unknown, "r2").job(), "of a matrix, at the same moment");
    let nothing = JobRecord { context: Context::default(), ..unknown };
    assert_eq!(of(&nothing, "r1").run, None);
    assert_ne!(of(&nothing, "r1").trace, of(&nothing, "r2").trace);
}

#[test]
fn a_webhook_s_spans_and_ours_make_one_tree() {
    for rule in [IdRule::CheckRun, IdRule::RunAttempt] {
        let row = row(PUBLISHED[1]);
        let ours = trace(&row, Some(&steps()), rule);
        let ids = SpanIds::of(&row, "r1", rule);
        // As the receiver makes them of a webhook: id, parent.
        let run = ids.run.expect("known");
        let theirs = [
            (run, None),
            (ids.job(), Some(run)),
            (ids.queue("queue-test (1.23)"), Some(ids.job())),
            (ids.step("Set up job", 1, true), Some(ids.job())),
        ];
        let mut parents: std::collections::HashMap<_, _> = theirs.into_iter().collect();
        for span in &ours.spans {
            let told = parents.insert(span.id, span.parent);
            assert!(told.is_none_or(|told| told == span.parent), "{}", span.name);
        }
        assert_eq!(parents.len(), 4 + 1 + 3, "one execution and three steps more");
        let roots = parents.iter().filter(|(_, parent)| parent.is_none()).count();
        assert_eq!(roots, 1);
        assert!(parents.values().flatten().all(|parent| parents.contains_key(parent)), "no orphan");
    }
}

#[test]
fn spans_say_what_is_known() {
    let trace = trace(&row(PUBLISHED[1]), Some(&steps()), IdRule::CheckRun);
    let ids: HashSet<SpanId> = trace.spans.iter().map(|span| span.id).collect();
    assert_eq!(ids.len(), trace.spans.len(), "two steps of one name are two spans");
    let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_str()).collect();
    let execution = "run-test (1.23)";
    assert_eq!(
        names,
        ["test (1.23)", "queue-test (1.23)", execution, "Set up job", "Build", "Build-1", "Deploy"]
    );
    let [job, queue, run, _, _, failed, skipped] = &trace.spans[..] else { panic!("{trace:?}") };
    assert_eq!((job.start, job.end), (at(0), at(65_000)), "from its queueing on");
    assert_eq!((queue.start, queue.end), (at(0), at(5_000)));
    assert_eq!((run.start, run.end), (at(5_000), at(65_000)));
    let text = |text: &str| Some(SpanValue::Text(text.into()));
    for (key, value) in [
        ("cicd.pipeline.name", "CI"),
        ("cicd.pipeline.run.id", "14460881260"),
        ("cicd.pipeline.run.url.full", "https://github.com/o/r/actions/runs/14460881260/attempts/13"),
        ("cicd.pipeline.task.run.id", "40685651258"),
        (
            "cicd.pipeline.task.run.url.full",
            "https://github.com/o/r/actions/runs/14460881260/job/40685651258",
        ),
        ("cicd.pipeline.task.run.result", "success"),
        ("vcs.repository.name", "r"),
        ("vcs.ref.head.name", "main"),
        ("vcs.ref.head.type", "branch"),
        ("cicd.worker.name", "r1"),
    ] {
        assert_eq!(attribute(job, key).cloned(), text(value), "{key}");
    }
    assert_eq!((job.status, attribute(job, "error.type")), (SpanStatus::Ok, None));
    assert_eq!(attribute(run, "runner_init.job.cpu_seconds"), Some(&SpanValue::Float(1.5)));
    assert_eq!(attribute(run, "runner_init.job.peak_memory_bytes"), Some(&SpanValue::Int(1 << 30)));
    assert_eq!((run.events.len(), run.events[0].at), (1, at(9_000)));
    assert_eq!((failed.status, failed.message.as_str()), (SpanStatus::Error, "failure"));
    assert_eq!(attribute(failed, "error.type").cloned(), text("failed"));
    assert_eq!((skipped.status, skipped.message.as_str()), (SpanStatus::Unset, "skipped"));
    assert_eq!(attribute(skipped, "cicd.pipeline.task.run.result").cloned(), text("skip"));
}

#[test]
fn what_is_not_known_is_not_said() {
    let context = Context::default();
    let job = JobRecord { queue_time: None, context, usage: Usage::default(), ..row(PUBLISHED[0]) };
    let job = JobRecord { conclusion: None, duration: None, check_run_id: None, ..job };
    let abandoned = RowStatus::Finished(JobStatus::Abandoned);
    let job = JobRecord { status: abandoned, cause: Some("lock lost".into()), ..job };
    let trace = trace(&job, None, IdRule::CheckRun);
    let [span, run] = &trace.spans[..] else { panic!("{trace:?}") };
    assert_eq!((span.start, span.end, span.parent), (at(5_000), at(65_000), None));
    assert_eq!((span.status, span.message.as_str()), (SpanStatus::Error, "abandoned"));
    assert_eq!(attribute(span, "error.type"), Some(&SpanValue::Text("lock_lost".into())));
    for key in ["cicd.pipeline.name", "cicd.pipeline.run.url.full", "vcs.ref.head.name"] {
        assert_eq!(attribute(span, key), None, "{key}");
    }
    assert_eq!(attribute(run, "runner_init.job.cpu_seconds"), None);
    let setup = setup(IdRule::CheckRun);
    for row in
        [JobRecord { status: RowStatus::Running, ..job.clone() }, JobRecord { started_at: None, ..job }]
    {
        assert_eq!(setup.trace(JobFacts { row: &row, steps: None, caches: &[] }), None);
    }
}

#[test]
fn a_share_of_the_traces_is_taken_and_everywhere_the_same() {
    let trace = |n: u64| SpanIds::of(&row((&n.to_string(), 1, "x")), "r", IdRule::CheckRun).trace;
    let taken = |kind, ratio| (0..1000).filter(|n| TraceSampler { kind, ratio }.takes(trace(*n))).count();
    assert_eq!(taken(SamplerKind::AlwaysOn, 0.0), 1000);
    assert_eq!(taken(SamplerKind::ParentBasedAlwaysOff, 1.0), 0);
    assert_eq!((taken(SamplerKind::TraceIdRatio, 0.0), taken(SamplerKind::TraceIdRatio, 1.0)), (0, 1000));
    let quarter = taken(SamplerKind::ParentBasedTraceIdRatio, 0.25);
    assert!((200..300).contains(&quarter), "{quarter}");
    // The lower half alone, from the highest bit on.
    let id = |first: u8| TraceId([255, 255, 255, 255, 255, 255, 255, 255, first, 0, 0, 0, 0, 0, 0, 0]);
    let half = TraceSampler { kind: SamplerKind::TraceIdRatio, ratio: 0.5 };
    assert!(half.takes(id(0x7f)) && !half.takes(id(0x80)));
}

#[test]
fn a_parent_comes_through_the_answer_and_nothing_else_does() {
    let ids = SpanIds::of(&row(PUBLISHED[0]), "r1", IdRule::CheckRun);
    let parent = TraceParent::new(ids.trace, ids.job(), true, None);
    assert_eq!(parent.parent, "00-0b0cff7305ff68eb7d1bb72c7fdbe277-fb6779d8c7b7c66c-01");
    let off = TraceParent::new(ids.trace, ids.job(), false, Some("http://c:4318".into()));
    assert!(off.parent.ends_with("-00"));
    for told in [&parent, &off] {
        assert_eq!(TraceParent::read(&told.payload()).as_ref(), Some(told));
    }
    let bad = parent.parent.replace('b', "B");
    for odd in ["", "PATH=/x", &bad, &format!("{}\r", parent.parent), &format!("{}\0", parent.parent)] {
        assert_eq!(TraceParent::read(odd), None, "{odd:?}");
    }
    for odd in ["", "http://a b", "http://a\u{1b}"] {
        assert_eq!(
            TraceParent::read(&format!("{}\n{odd}", parent.parent)).as_ref(),
            Some(&parent),
            "{odd:?}"
        );
    }
    assert_eq!(parent.variables(|_| false), format!("TRACEPARENT={}\n", parent.parent));
    assert!(off.variables(|_| false).ends_with("\nOTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318\n"));
    assert_eq!(off.variables(|name| name == "TRACEPARENT"), "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318\n");
}

#[test]
fn both_forms_say_the_same() {
    let trace = trace(&row(PUBLISHED[1]), Some(&steps()), IdRule::CheckRun);
    let resource = vec![("service.name".to_owned(), "ci".to_owned())];
    let source = TraceSource { resource, version: "9" };
    let body = to_protobuf(&source, &trace);
    let read = ExportTraceServiceRequest::decode(&body[..]).expect("a message");
    assert_eq!(read.encode_to_vec(), body);
    let spans = &read.resource_spans[0].scope_spans[0].spans;
    let text = to_json(&source, &[trace]);
    let told = text["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans");
    assert_eq!(told.len(), spans.len());
    let hex = |id: &[u8]| match id.len() {
        16 => TraceId(std::array::from_fn(|at| id[at])).to_string(),
        _ => id.first_chunk().map(|id| SpanId(*id).to_string()).unwrap_or_default(),
    };
    for (told, span) in told.iter().zip(spans) {
        let status = span.status.as_ref().expect("one");
        let expected = json!({
            "traceId": hex(&span.trace_id),
            "spanId": hex(&span.span_id),
            "parentSpanId": hex(&span.parent_span_id),
            "flags": span.flags,
            "name": span.name,
            "kind": span.kind,
            "startTimeUnixNano": span.start_time_unix_nano.to_string(),
            "endTimeUnixNano": span.end_time_unix_nano.to_string(),
            "status": {"message": status.message, "code": status.code},
        });
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(told[key], *value, "{key}");
        }
        assert_eq!(told["attributes"].as_array().map(Vec::len), Some(span.attributes.len()));
        assert_eq!(told["events"].as_array().map(Vec::len), Some(span.events.len()));
    }
    let number = json!({"key": "runner_init.step.number", "value": {"intValue": "1"}});
    assert!(told[3]["attributes"].as_array().expect("some").contains(&number));
    assert_eq!(text["resourceSpans"][0]["resource"]["attributes"][0]["value"], json!({"stringValue": "ci"}));
    assert_eq!(text["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"], Value::from("runner-init"));
}

#[test]
fn a_tree_is_for_people() {
    let mut steps = steps();
    steps.steps[1].name = "Build\u{1b}[31m".into();
    let text = tree(&trace(&row(PUBLISHED[1]), Some(&steps), IdRule::CheckRun));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "trace 731ec8a47fd7450f753a812a4a8aa5a0");
    assert_eq!(lines[1], "test (1.23)            0.000 s   65.000 s  ========================  success");
    assert_eq!(lines[2], "  queue-test (1.23)    0.000 s    5.000 s  ==......................  -");
    assert_eq!(lines[4], "    cache type=npm hits=3 partials=0 misses=0");
    assert!(text.contains("  Build\\u{1b}[31m"), "{text}");
    assert!(lines[8].ends_with("skipped"), "{text}");
}

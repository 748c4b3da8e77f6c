//! Metrics are pushed beside the loop, where that is configured: the schedule says when, telemetry what, and this sends it;
//! never two at once, and nothing waits for it but the end, for as long as the grace has room.

use super::clock::{Clock, utc_now};
use super::effect::Effect;
use super::fault::StartError;
use super::registrar_setup::{Environment, proxies};
use crate::config::{Config, OtlpTarget};
use crate::domain::notice::Notice;
use crate::domain::otlp::{ExportOutcome, Schedule, judge};
use crate::domain::start_notice::StartNotice;
use crate::github::{Post, PostConfig, Roots};
use crate::telemetry::emit::{Telemetry, tell_start};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

const CONTENT_TYPE: &str = "application/x-protobuf";

/// Who pushes, if anybody does.
#[derive(Default)]
pub(super) struct MetricsPush(Option<Box<Pusher>>);

struct Pusher {
    schedule: Schedule,
    post: Arc<Post>,
    /// The request under way.
    sending: JoinSet<ExportOutcome>,
}

/// What happens to it.
pub(super) enum PushEvent {
    /// It is time.
    Due,
    /// The request under way has ended.
    Ended(ExportOutcome),
}

impl MetricsPush {
    pub(super) fn start(
        config: &Config,
        environment: &Environment,
        telemetry: &Telemetry,
        now: Duration,
    ) -> Result<MetricsPush, StartError> {
        let Some(options) = config.otlp.clone() else { return Ok(MetricsPush::default()) };
        let post = post(options.target, environment)?;
        telemetry.begin_push(options.resource, options.temporality, config.metrics.buckets.clone());
        tell_start(&StartNotice::PushingMetrics { to: post.place(), every: options.interval });
        let schedule = Schedule::new(options.interval, now);
        Ok(MetricsPush(Some(Box::new(Pusher { schedule, post, sending: JoinSet::new() }))))
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self, clock: Clock) -> PushEvent {
        let Some(pusher) = &mut self.0 else { return std::future::pending().await };
        match pusher.schedule.next_deadline() {
            due @ Some(_) => {
                clock.until(due).await;
                PushEvent::Due
            }
            None => PushEvent::Ended(pusher.outcome().await),
        }
    }

    pub(super) fn handle(&mut self, event: PushEvent, telemetry: &Telemetry, clock: Clock) -> Vec<Effect> {
        let Some(pusher) = &mut self.0 else { return Vec::new() };
        match event {
            PushEvent::Due => {
                pusher.begin(telemetry, clock);
                Vec::new()
            }
            PushEvent::Ended(outcome) => vec![pusher.ended(outcome, clock).into()],
        }
    }

    /// The last export, begun when everything is counted; what of it can be told by then.
    pub(super) async fn last(&mut self, telemetry: &Telemetry, clock: Clock, until: Instant) {
        let Some(pusher) = &mut self.0 else { return };
        // What is under way tells less; whether it arrived decides what is new.
        if pusher.schedule.next_deadline().is_none() {
            let outcome = timeout_at(until, pusher.outcome()).await;
            telemetry.emit(&pusher.ended(outcome.unwrap_or_else(|_| out_of_time()), clock));
            pusher.sending.abort_all();
        }
        pusher.begin(telemetry, clock);
        let outcome = timeout_at(until, pusher.outcome()).await;
        telemetry.emit(&pusher.ended(outcome.unwrap_or_else(|_| out_of_time()), clock));
    }
}

impl Pusher {
    fn begin(&mut self, telemetry: &Telemetry, clock: Clock) {
        let now = clock.now();
        self.schedule.begun(now.up);
        let Some(body) = telemetry.push_request(now.utc) else { return };
        self.sending.spawn(send(Arc::clone(&self.post), body));
    }

    async fn outcome(&mut self) -> ExportOutcome {
        match self.sending.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => out_of_time(),
        }
    }

    fn ended(&mut self, outcome: ExportOutcome, clock: Clock) -> Notice {
        Notice::Export(self.schedule.ended(outcome, clock.now().up, fastrand::f64()))
    }
}

/// To a receiver of OTLP.
pub(super) fn post(target: OtlpTarget, environment: &Environment) -> Result<Arc<Post>, StartError> {
    let post = Post::new(&PostConfig {
        url: target.url,
        roots: target.certificate.map_or(Roots::Native, Roots::File),
        proxies: proxies(environment)?,
        headers: target.headers,
        content_type: CONTENT_TYPE,
        gzip: target.gzip,
        attempt: target.timeout,
    });
    post.map(Arc::new).map_err(StartError::Otlp)
}

pub(super) fn out_of_time() -> ExportOutcome {
    ExportOutcome::Later { says: "the time for it was over".into(), after: None }
}

pub(super) async fn send(post: Arc<Post>, body: Vec<u8>) -> ExportOutcome {
    match post.send(body).await {
        Ok(answer) => {
            let after = answer.retry_after.map(|after| after.wait(utc_now()));
            let body = answer.body.as_ref().map(|body| body.as_slice()).unwrap_or_default();
            let outcome = judge(answer.status, after, body);
            outcome.in_words(|says| post.printable(&format!("{} answered {says}", post.place())))
        }
        Err(fault) => ExportOutcome::Later { says: fault.to_string(), after: None },
    }
}

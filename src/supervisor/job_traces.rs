//! The trace of each job, sent beside the loop once the job is over: no job waits for it, and the end only for as long as the grace
//! has room. And what a job is told of its trace when it begins.

use super::clock::Clock;
use super::fault::StartError;
use super::push::{out_of_time, post, send};
use super::registrar_setup::Environment;
use crate::config::{Config, ToldToJobs};
use crate::domain::identity::Identity;
use crate::domain::notice::Notice;
use crate::domain::otlp::{ExportOutcome, resource_of};
use crate::domain::record::JobRecord;
use crate::domain::start_notice::StartNotice;
use crate::domain::totals::Row;
use crate::domain::trace::{
    EndedJob, JobFacts, PendingTraces, SpanIds, TraceNews, TraceOutbox, TraceParent, TraceSampler,
    TraceSetup, TraceSource, to_protobuf,
};
#[cfg(test)]
use crate::domain::trace::{IdRule, SamplerKind};
use crate::github::Post;
use crate::registration::Registrar;
use crate::telemetry::catalog::OTLP_TRACE_EXPORTS;
use crate::telemetry::emit::tell_start;
use crate::telemetry::exporter::Exporter;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// What is told of jobs, and to whom.
pub(super) struct JobTraces {
    clock: Clock,
    setup: TraceSetup,
    sampler: TraceSampler,
    told: Option<ToldToJobs>,
    sender: Option<Box<Sender>>,
}

struct Sender {
    source: TraceSource,
    post: Arc<Post>,
    pending: PendingTraces,
    outbox: TraceOutbox,
    /// The request under way.
    sending: JoinSet<ExportOutcome>,
}

/// What happens to it.
pub(super) enum TraceEvent {
    /// A job is to be told, or a request to be sent.
    Due,
    /// The request under way has ended.
    Ended(ExportOutcome),
}

impl JobTraces {
    /// The registrar is who asks GitHub for its id of each job.
    pub(super) fn start(
        config: &Config,
        environment: &Environment,
        identity: &Identity,
        clock: Clock,
        exporter: &Exporter,
        registrar: Option<&Registrar>,
    ) -> Result<JobTraces, StartError> {
        let options = &config.traces;
        let sender = match options.target.clone() {
            Some(target) => {
                let post = post(target, environment)?;
                tell_start(&StartNotice::SendingTraces { to: post.place() });
                exporter.begin(&OTLP_TRACE_EXPORTS);
                let (runner, version) = (&identity.runner_name, identity.init_version);
                let resource = resource_of(options.resource.clone(), runner, version);
                let source = TraceSource { resource, version };
                Some(Box::new(Sender {
                    source,
                    post,
                    pending: PendingTraces::new(registrar.is_some_and(Registrar::can_ask)),
                    outbox: TraceOutbox::default(),
                    sending: JoinSet::new(),
                }))
            }
            None => None,
        };
        Ok(JobTraces {
            clock,
            setup: TraceSetup {
                runner: identity.runner_name.clone(),
                server: config.host.url(),
                ids: options.ids,
            },
            sampler: options.sampler,
            told: options.told.clone(),
            sender,
        })
    }

    /// Of whom nobody wants to know anything.
    #[cfg(test)]
    pub(super) fn silent() -> JobTraces {
        let setup = TraceSetup { runner: "r".to_owned(), server: String::new(), ids: IdRule::default() };
        let sampler = TraceSampler { kind: SamplerKind::default(), ratio: 1.0 };
        JobTraces { clock: Clock::start(), setup, sampler, told: None, sender: None }
    }

    /// Whether any are sent.
    pub(super) fn are_sent(&self) -> bool {
        self.sender.is_some()
    }

    /// What the job of this row, which has just begun, is told, if it is told anything.
    pub(super) fn parent(&self, row: &JobRecord) -> Option<TraceParent> {
        let told = self.told.as_ref()?;
        let ids = SpanIds::of(row, &self.setup.runner, self.setup.ids);
        let sampled = self.sampler.takes(ids.trace);
        let is_told = sampled && self.are_sent();
        Some(TraceParent::new(ids.trace, ids.parent(is_told), sampled, told.endpoint.clone()))
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> TraceEvent {
        let Some(sender) = &mut self.sender else { return std::future::pending().await };
        let due = [sender.pending.next_deadline(), sender.outbox.next_deadline()];
        tokio::select! {
            () = self.clock.until(due.into_iter().flatten().min()) => TraceEvent::Due,
            Some(ended) = sender.sending.join_next() => TraceEvent::Ended(ended.unwrap_or_else(|_| out_of_time())),
        }
    }

    pub(super) fn handle(&mut self, event: TraceEvent) -> Vec<Notice> {
        let now = self.clock.now().up;
        let Some(sender) = &mut self.sender else { return Vec::new() };
        let news = match event {
            TraceEvent::Due => {
                let jobs = sender.pending.due(now);
                let news = sender.tell(&self.setup, self.sampler, jobs);
                if sender.outbox.next_deadline().is_some_and(|due| now >= due) {
                    sender.begin();
                }
                news
            }
            TraceEvent::Ended(outcome) => Some(sender.outbox.ended(outcome, now, fastrand::f64())),
        };
        news.into_iter().map(Notice::Traces).collect()
    }

    /// What a trace has to know of it.
    pub(super) fn heed(&mut self, notice: &Notice) {
        let now = self.clock.now();
        let Some(Sender { pending, .. }) = self.sender.as_deref_mut() else { return };
        match notice {
            Notice::RowWritten { row, delta } => pending.written(row, delta.row == Row::Amended, now.up),
            Notice::StepsKnown(known) => pending.steps(known.started_at, Arc::clone(&known.steps)),
            Notice::CacheUsed { kind, tally, .. } => pending.cache_used(kind, *tally, now.utc),
            _ => {}
        }
    }

    /// What is not sent yet, as far as it can be by then.
    pub(super) async fn last(&mut self, until: Instant) -> Vec<Notice> {
        let Some(sender) = &mut self.sender else { return Vec::new() };
        let jobs = sender.pending.all();
        let mut notices: Vec<TraceNews> = sender.tell(&self.setup, self.sampler, jobs).into_iter().collect();
        while sender.outbox.is_under_way() || sender.begin() {
            let ended = timeout_at(until, sender.sending.join_next()).await;
            let is_in_time = ended.is_ok();
            let outcome = ended.ok().flatten().and_then(Result::ok).unwrap_or_else(out_of_time);
            // Nobody would be there to try again.
            let is_refusal = matches!(outcome, ExportOutcome::Later { .. });
            notices.push(sender.outbox.ended(outcome, self.clock.now().up, 0.0));
            if is_refusal || !is_in_time {
                break;
            }
        }
        sender.sending.abort_all();
        let dropped = sender.outbox.give_up();
        notices.extend((dropped > 0).then_some(TraceNews { export: None, dropped }));
        notices.into_iter().map(Notice::Traces).collect()
    }
}

impl Sender {
    /// Puts these jobs behind those that wait.
    fn tell(&mut self, setup: &TraceSetup, sampler: TraceSampler, jobs: Vec<EndedJob>) -> Option<TraceNews> {
        let mut dropped = 0;
        for EndedJob { row, steps, caches } in jobs {
            let facts = JobFacts { row: &row, steps: steps.as_deref(), caches: &caches };
            if let Some(trace) = setup.trace(facts).filter(|trace| sampler.takes(trace.id)) {
                dropped += self.outbox.push(to_protobuf(&self.source, &trace));
            }
        }
        (dropped > 0).then_some(TraceNews { export: None, dropped })
    }

    /// Whether there was one to send.
    fn begin(&mut self) -> bool {
        let body = self.outbox.begin();
        let is_any = body.is_some();
        if let Some(body) = body {
            self.sending.spawn(send(Arc::clone(&self.post), body));
        }
        is_any
    }
}

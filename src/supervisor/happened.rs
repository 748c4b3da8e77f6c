//! What the loop waits for, one variant for each component that can have news.

use super::aftermath::AftermathEvent;
use super::github_tasks::Reply;
use super::http_handle::Pulse;
use super::job_hooks::Reception;
use super::job_keeper::JobEvent;
use super::listener::ListenerEvent;
use super::push::PushEvent;
use crate::domain::failure::Space;
use crate::domain::notice::Notice;
use crate::domain::polls::TraceWord;
use crate::sys::signals::OperatorSignal;

/// One thing that has happened.
pub(super) enum Happened {
    Signal(OperatorSignal),
    Listener(ListenerEvent),
    WorkerEnded,
    LookDue,
    Deadline,
    Traced(Option<TraceWord>),
    Job(JobEvent),
    Reported(Reception),
    Sample(Option<Space>),
    Aftermath(AftermathEvent),
    Prepared(Option<Box<Notice>>),
    Github(Reply),
    Pulse(Pulse),
    Push(PushEvent),
}

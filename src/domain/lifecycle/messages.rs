//! Inputs and actions of the state machine. What goes into the table and what comes out of it: data only.

use crate::domain::budget::Budget;
use crate::domain::event::{Exit, StopRequest, WorkerState};
use crate::domain::failure::Cause;
use crate::domain::ladder::Rung;
use crate::domain::notice::Notice;
use crate::domain::parse::ParsedLine;
use crate::domain::polls::TraceWord;
use crate::domain::record::JobRecord;
use crate::domain::registration::{Registered, RegistrationFault, Removal, RunnerStatus};
use std::time::Duration;

/// What the table needs to know of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the configuration")]
pub struct Settings {
    /// How long each phase of a stop may take.
    pub budget: Budget,
    /// Most launches in a row without a session; `None` is unlimited.
    pub max_restarts: Option<u32>,
    /// Something must be prepared before the first launch.
    pub prepares: bool,
    /// The runner is registered by us before the first launch; otherwise it is configured already.
    pub registers: bool,
    /// A registration that the server has dropped can be made anew.
    pub reregisters: bool,
    /// It takes one job, after which GitHub removes it and the listener its files; from any other they have been taken.
    pub one_job: bool,
    /// How long a runner that takes one job waits for it, with a session; `None`: for ever.
    pub idle: Option<Duration>,
    /// How often GitHub is asked what it thinks of us while we are idle; `None`: never.
    pub check_every: Option<Duration>,
    /// How often GitHub is asked whether the listener is back while it has lost its connection; `None`: it cannot be asked.
    pub look_every: Option<Duration>,
    /// What was registered is removed at a stop; otherwise it stays.
    pub removes: bool,
    /// Seeds the back-off's jitter.
    pub seed: u64,
}

impl Settings {
    /// Of a runner that is configured already, asks GitHub nothing and is launched as often as it takes.
    pub fn new(budget: Budget) -> Settings {
        Settings {
            budget,
            max_restarts: None,
            prepares: false,
            registers: false,
            reregisters: false,
            one_job: false,
            idle: None,
            check_every: None,
            look_every: None,
            removes: false,
            seed: 1,
        }
    }
}

/// What can happen to the supervisor.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An operator's signal.
    Stop(StopRequest),
    /// The listener said something; `worker` is the evidence at that moment.
    Line(ParsedLine, WorkerState),
    /// Nothing was said, but somebody has looked for the worker of [`Lifecycle::subject`](super::Lifecycle::subject).
    Looked(WorkerState),
    /// The listener's own trace told something of its polls; `None`: it cannot be followed, or no longer.
    Traced(Option<TraceWord>),
    /// The listener has closed an output of its own, or is about to be gone.
    Muted,
    /// Whether a worker of the listener lives.
    LookedForWork(bool),
    /// Everything is prepared for the first launch, or as good as it gets.
    Prepared,
    /// The spawn succeeded.
    Started {
        /// The listener's process id.
        pid: u32,
    },
    /// The spawn failed.
    NotStarted {
        /// What the operating system said.
        error: String,
    },
    /// The listener is gone and all it wrote has been heard.
    Exited {
        /// How.
        exit: Exit,
        /// `.runner` is still there.
        configured: bool,
        /// Why, as far as the system tells.
        cause: Cause,
    },
    /// `update.finished` has appeared (and was deleted).
    UpdateFinished,
    /// The runner is known to the server.
    Registered(Registered),
    /// It is not.
    NotRegistered(RegistrationFault),
    /// The removal has ended.
    Deregistered(Removal),
    /// GitHub was asked what it thinks of us.
    Status(RunnerStatus),
    /// `Lifecycle::next_deadline` has passed.
    Deadline,
}

/// What the supervisor must do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Prepare the first launch; answer with `Prepared`.
    Prepare,
    /// Register the runner; answer with `Registered` or `NotRegistered`.
    Register {
        /// The server has dropped the registration that is here.
        anew: bool,
    },
    /// Stop registering, at once; no answer is wanted.
    AbortRegistration,
    /// Ask GitHub what it thinks of us; answer with `Status`, if there is an answer.
    AskStatus,
    /// Look whether a worker of the listener lives; answer with `LookedForWork`.
    LookForWork,
    /// Follow the listener's own trace from its last lines on; answer with `Traced`.
    FollowTrace,
    /// Follow it no longer.
    LeaveTrace,
    /// Make the runner unattractive to the server while it drains, if that can be done.
    Unlabel,
    /// Remove the registration within this time; answer with `Deregistered`.
    Deregister(Duration),
    /// Start the listener; answer with `Started` or `NotStarted`.
    Spawn,
    /// SIGINT to the listener's process group, and to what is below the Worker in others.
    Interrupt,
    /// This signal to everybody below the Worker, wherever they are; never to Worker or listener.
    Below(Rung),
    /// SIGKILL to the listener's process group.
    KillGroup,
    /// Look for `update.finished`; answer with `UpdateFinished`.
    WatchUpdate,
    /// Write the row; once it is on disk it is a notice.
    Append(Box<JobRecord>),
    /// Tell the world.
    Notify(Notice),
    /// Leave with this code.
    Leave(i32),
}

//! Signals to a Worker's descendants. Signals for what is below the Worker, from a thread: who is a descendant is told
//! first, by its parents alone.
//!
//! Another's environment may only be read with that user's rights, and reading it may take for ever: so it is read second.

use super::job_cleanup::{CleanupPlan, become_on_disk};
use super::processes::{self, glance, look};
use crate::domain::below::below;
use crate::domain::ladder::Rung;
use crate::domain::sweep::Process;
use rustix::process::Signal;
use std::collections::BTreeSet;
use tokio::sync::mpsc;

/// Who was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub rung: Rung,
    /// How many processes.
    pub processes: u64,
}

/// Whom a rung is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Everybody below the Worker.
    All,
    /// The descendants that a signal to the listener's group does not reach.
    OutsideTheGroup,
}

/// Tells them in the background; what was done is answered, if anybody is there. Where a thread is refused, only the
/// descendants are told.
pub fn tell(plan: CleanupPlan, listener: u32, whom: Whom, rung: Rung, answer: mpsc::UnboundedSender<Told>) {
    let Ok(listener) = i32::try_from(listener) else { return };
    let work = move |may_take_long: bool| {
        let mut told = BTreeSet::new();
        tell_all(&glance(), listener, whom, rung, &mut told);
        if may_take_long && whom == Whom::All {
            if let Some(ids) = &plan.user {
                become_on_disk(ids);
            }
            tell_all(&look(&plan.marks()), listener, whom, rung, &mut told);
        }
        // Nobody may want to know any more.
        let _ = answer.send(Told { rung, processes: told.len() as u64 });
    };
    let here = work.clone();
    let thread = std::thread::Builder::new().name("below".to_owned()).spawn(move || work(true));
    if thread.is_err() {
        here(false);
    }
}

fn tell_all(processes: &[Process], listener: i32, whom: Whom, rung: Rung, told: &mut BTreeSet<(i32, u64)>) {
    for process in below(processes, listener, std::process::id().cast_signed()) {
        let is_meant = whom == Whom::All || process.group != listener;
        if is_meant && told.insert((process.pid, process.start)) {
            for signal in signals(rung) {
                processes::signal(process, *signal);
            }
        }
    }
}

/// Who is stopped hears nothing but KILL until it is continued.
fn signals(rung: Rung) -> &'static [Signal] {
    match rung {
        Rung::Interrupt => &[Signal::INT, Signal::CONT],
        Rung::Terminate => &[Signal::TERM, Signal::CONT],
        Rung::Kill => &[Signal::KILL],
    }
}

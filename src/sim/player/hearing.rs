//! What happens to a played listener and its Worker moves the recording's clock to where the recording has it.

use super::{Heard, Player};
use crate::clock;
use crate::listener::Flow;
use crate::recording::{Target, What};
use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};
use std::ops::ControlFlow;

impl Player {
    pub(super) fn hear(&mut self, index: usize, heard: &Heard) -> Flow {
        match heard {
            Heard::Signal(sent) => match self.unanswered(index, *sent) {
                Some(found) => {
                    self.answered.insert(found);
                    self.jump(self.events[found].at);
                    ControlFlow::Continue(())
                }
                None => self.leave(*sent),
            },
            Heard::WorkerEnded(number) => {
                if self.is_worker(*number) {
                    self.ends(index, |what| *what == What::WorkerExited);
                }
                ControlFlow::Continue(())
            }
            Heard::StepEnded(number) => {
                if self.is_worker(*number) {
                    self.step_ended(index);
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn is_worker(&self, number: u32) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.number() == number)
    }

    /// The next signal of the recording that is this one and has not come yet.
    fn unanswered(&self, index: usize, sent: i32) -> Option<usize> {
        let is_it = |index: &usize| match &self.events[*index].what {
            What::Signalled { signal, to: Target::Listener | Target::Group } => number(signal) == Some(sent),
            _ => false,
        };
        (index..self.events.len()).filter(is_it).find(|index| !self.answered.contains(index))
    }

    /// Something has ended that would have lasted until the next such event: that is now.
    fn ends(&mut self, index: usize, is_end: impl Fn(&What) -> bool) {
        let end = self.events[index..].iter().find(|event| is_end(&event.what)).map(|event| event.at);
        if let Some(at) = end.filter(|at| self.moment(*at) > clock::instant()) {
            self.jump(at);
        }
    }

    /// Once a stop is under way, the step's end is what its recorded end was: its log is closed. Where the laboratory went on to
    /// signal what is below the Worker there is another step to be ended.
    fn step_ended(&mut self, index: usize) {
        let Some(asked) = self.answered.last().copied() else { return };
        let to_steps = |what: &What| matches!(what, What::Signalled { to: Target::Steps, .. });
        let is_kill = |what: &What| matches!(what, What::Signalled { signal, .. } if signal == "SIGKILL");
        let is_closed = |what: &What| matches!(what, What::Closed(_));
        let past = self.events.get(asked..index).unwrap_or_default().to_vec();
        let last = self.events[index..].iter().rfind(|event| to_steps(&event.what));
        match (last, self.worker.as_mut().filter(|worker| !worker.stubborn)) {
            (Some(_), Some(worker)) => worker.begin_step(true),
            (Some(_), None) => self.ends(index, |what| to_steps(what) && is_kill(what)),
            // What was closed by now was this step's log: the next is another's.
            (None, _) if past.iter().any(|event| is_closed(&event.what)) => {}
            (None, _) => self.ends(index, is_closed),
        }
    }
}

fn number(name: &str) -> Option<i32> {
    Some(match name {
        "SIGINT" => SIGINT,
        "SIGQUIT" => SIGQUIT,
        "SIGTERM" => SIGTERM,
        "SIGKILL" => SIGKILL,
        "SIGHUP" => SIGHUP,
        _ => return None,
    })
}

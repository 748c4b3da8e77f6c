//! Life after life under one name: however each of them ends, in the end nobody is left on GitHub.

use crate::case::Credential;
use crate::ns;
use crate::supervised::Supervised;
use crate::world::{Left, World, held, launch, let_go};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Idle, by TERM.
    Stopped,
    /// In a job that ends in peace, by TERM.
    Drained,
    /// By TERM, after its listener was killed.
    Crashed,
    /// The whole container is killed; the next life is a new container.
    Killed,
    /// The whole container is killed in a job; the next life is the same container, started again.
    KilledBusy,
}

const LIVES: [End; 10] = [
    End::Stopped,
    End::Killed,
    End::Drained,
    End::KilledBusy,
    End::Crashed,
    End::Killed,
    End::Killed,
    End::KilledBusy,
    End::Drained,
    End::Crashed,
];

pub fn ten_lives_leave_nobody_behind(world: &World) {
    let mut container: Option<Supervised> = None;
    for (number, end) in LIVES.into_iter().enumerate() {
        if world.case.credential == Credential::Jit {
            // Whoever asks for a configuration under a name has removed the last runner of that name.
            world.others_clean_up();
        }
        let busy = matches!(end, End::Drained | End::KilledBusy);
        let steps = Vec::from_iter(busy.then(|| held("long")));
        let plan = world.plan(json!({ "launches": [launch(&steps)] }));
        // No other credential needs config.sh to remove it, which is not trusted with one once a job has been here.
        let is_stranded = container.is_some() && world.case.credential == Credential::Token;
        let mut jobs = Vec::from_iter(container.as_ref().map(|_| "abandoned"));
        let mut s = match container.take() {
            Some(earlier) => plan.in_dir_of(&earlier),
            None => plan,
        }
        .start();
        world.phase(&mut s, if busy { "busy" } else { "idle" });
        assert_eq!(world.fake.runners().len(), 1, "life {number}, {end:?}");
        world.fake.take_log();
        match end {
            End::Stopped => s.signal(SIGTERM),
            End::Drained => {
                s.signal(SIGTERM);
                s.until_log("event=drain_started");
                let_go(&s);
                jobs.push("success");
            }
            End::Crashed => {
                ns::send(s.until_process("Runner.Listener"), SIGKILL);
                world.phase(&mut s, "backoff");
                s.signal(SIGTERM);
            }
            End::Killed | End::KilledBusy => {
                let written = |s: &Supervised| s.table().last().is_some_and(|row| row.status == "running");
                s.until("its job is on disk", |s| end == End::Killed || written(s));
                s.signal(SIGKILL);
                s.exit_code();
                world.fake.notice_that_all_are_gone();
                // A container that has had a job is none for another ephemeral runner.
                container = (end == End::KilledBusy && !world.case.is_ephemeral()).then_some(s);
                continue;
            }
        }
        let left = match end {
            _ if is_stranded => Left::Said,
            End::Drained => world.after_its_job(),
            End::Stopped | End::Crashed | End::Killed | End::KilledBusy => world.before_its_job(),
        };
        world.ended(&mut s, 0, &jobs, left);
        if left != Left::Nobody {
            world.others_clean_up();
        }
        assert_eq!(world.fake.runners(), [], "life {number}, {end:?}");
    }
}

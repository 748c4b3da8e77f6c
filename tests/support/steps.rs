//! Kinds of step that a stop meets, each in its own way of not ending; all of them say when they have begun.
//!
//! Include it with `#[path = "support/steps.rs"] mod steps;`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]

use serde_json::{Value, json};

/// A kind of step.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    /// What the first step's shell does once it has said that it works.
    script: &'static str,
    /// The step behind it, which runs always.
    always: Option<&'static str>,
}

/// Begins with saying so.
const READY: &str = "touch \"$RUNNER_WORKSPACE/ready\"; ";

pub const KINDS: [Kind; 8] = [
    Kind { name: "ordinary", script: "READY sleep 600", always: None },
    Kind { name: "ignores INT and TERM", script: "trap '' INT TERM; READY sleep 600", always: None },
    Kind { name: "a session of its own", script: "setsid sh -c 'READY exec sleep 600'", always: None },
    Kind { name: "stopped", script: "READY kill -STOP $$; sleep 600", always: None },
    Kind {
        name: "leaves 2 s after INT",
        script: "trap 'sleep 2; exit 3' INT; READY while :; do sleep 1; done",
        always: None,
    },
    Kind {
        name: "a daemon holds its output",
        script: "setsid sh -c 'trap \"\" INT TERM; sleep 600' & READY sleep 600",
        always: None,
    },
    Kind {
        name: "an always() step of 1 s",
        script: "READY sleep 600",
        always: Some("sleep 1; touch \"$RUNNER_WORKSPACE/always\""),
    },
    Kind {
        name: "an always() step ignores them",
        script: "READY sleep 600",
        always: Some("trap '' INT TERM; sleep 600"),
    },
];

impl Kind {
    /// A job of it; its Worker uploads for so long at the end.
    pub fn job(&self, upload_ms: u64) -> Value {
        // The step behind it has begun before the shutdown arrives, however busy the machine is.
        let shutdown_ms = self.always.map(|_| 1500);
        let worker = json!({ "upload_ms": upload_ms, "shutdown_ms": shutdown_ms });
        let mut steps = vec![json!({ "run": self.script.replace("READY ", READY) })];
        steps.extend(self.always.map(|script| json!({ "run": script, "always": true })));
        json!({ "job": { "name": "stopped", "worker": worker, "steps": steps } })
    }
}

//! What the runner prints of a step before it runs: a header is one only if it keeps the runner's shape to its end.
//!
//! Of an action: `##[group]Run NAME@REF`, `with:`, its inputs, `env:`, variables, `##[endgroup]`; of a script: its first line
//! after `Run`, all its lines in cyan, `shell:`, `env:`, variables, `##[endgroup]` (actions/runner `Handler.cs` and
//! `ScriptHandler.cs`). The step's display name is not in it.

use super::actions;
use super::job_log::Step;
use super::lookup::Lookup;

/// GitHub's own limit for a cache key is 512 characters; of a longer one nothing is kept.
const KEY_LIMIT: usize = 2048;
const CYAN: &[u8] = b"\x1b[36;1m";

/// Where in a header we are.
#[derive(Clone, Copy, Debug)]
enum Part {
    Name,
    Inputs,
    Script,
    Shell,
    Variables,
}

/// What the action's name promises.
#[derive(Clone, Copy, Debug)]
enum Action {
    Lookup(&'static actions::Action),
    Build,
    Other,
}

/// A header being read.
#[derive(Debug)]
pub(super) struct Header {
    action: Action,
    part: Part,
    has_inputs: bool,
    is_script: bool,
    key: Option<Vec<u8>>,
}

/// What one line makes of it.
#[derive(Debug)]
pub(super) enum Reading {
    /// There is more of it.
    On,
    /// It is complete: this step begins.
    End(Step),
    /// It was none, and the line is not part of it.
    NoHeader,
}

impl Header {
    /// After `##[group]Run `.
    pub(super) fn of(name: &[u8]) -> Header {
        let action = action(name);
        Header { action, part: Part::Name, has_inputs: false, is_script: false, key: None }
    }

    pub(super) fn read(&mut self, text: &[u8]) -> Reading {
        self.part = match (self.part, text) {
            (Part::Name | Part::Inputs | Part::Shell | Part::Variables, b"##[endgroup]") => {
                return Reading::End(self.step());
            }
            (Part::Name, b"with:") => {
                self.has_inputs = true;
                Part::Inputs
            }
            (Part::Name | Part::Inputs | Part::Shell, b"env:") => Part::Variables,
            (Part::Name | Part::Script, _) if text.starts_with(CYAN) => Part::Script,
            (Part::Name | Part::Script, _) if text.starts_with(b"shell: ") => {
                self.is_script = true;
                Part::Shell
            }
            (part @ (Part::Inputs | Part::Variables), [b' ', b' ', ..]) => {
                if let (Part::Inputs, None, Some(key)) = (part, &self.key, text.strip_prefix(b"  key: ")) {
                    self.key = Some(key).filter(|key| key.len() <= KEY_LIMIT).map(<[u8]>::to_vec);
                }
                part
            }
            (Part::Name | Part::Inputs | Part::Script | Part::Shell | Part::Variables, _) => {
                return Reading::NoHeader;
            }
        };
        Reading::On
    }

    fn step(&mut self) -> Step {
        match (self.is_script, self.action) {
            (true, _) => Step::Script,
            // These actions have inputs with defaults: the runner prints them.
            (false, Action::Lookup(action)) if self.has_inputs => {
                Step::Lookup(Lookup::new(action, self.key.take()))
            }
            (false, Action::Build) if self.has_inputs => Step::Build,
            (false, Action::Lookup(_) | Action::Build | Action::Other) => Step::Nobody,
        }
    }
}

/// `NAME@REF`; GitHub heeds no case in names.
fn action(name: &[u8]) -> Action {
    let Some(at) = memchr::memchr(b'@', name) else { return Action::Other };
    let name = name[..at].to_ascii_lowercase();
    match name.as_slice() {
        b"docker/build-push-action" | b"docker/bake-action" => Action::Build,
        name => actions::Action::named(name).map_or(Action::Other, Action::Lookup),
    }
}

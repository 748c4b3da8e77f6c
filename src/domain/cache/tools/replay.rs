//! A task runner that prints the output of an earlier run prints another job's lines: until that ends, nothing counts.
//!
//! On GitHub turbo and Nx put each task into a group of its own, and what a task prints may hold groups again: the output ends
//! with the group it began in. Without groups it ends where the runner speaks again.

use super::turbo::{self, Task};

/// A group's line, and those that begin and end without one.
pub(super) const OPENS: &[[u8; 4]] = &[*b"##[g", *b"##[e", *b"> nx", *b"> \x1b[", *b" NX ", *b" Tas"];

/// Where in a script's output we are.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Groups that are open.
    depth: u32,
    /// The line before opened one.
    opened: bool,
    on: Option<On>,
    /// A run of turbo goes on: tasks may have their name before what they say.
    turbo: bool,
}

/// What ends the output.
#[derive(Clone, Copy, Debug)]
enum On {
    /// The end of the group of this depth.
    Group(u32),
    /// The next task, or the end of the run.
    Task,
}

impl Replay {
    /// A run of turbo goes on.
    pub(super) fn hears_tasks(&self) -> bool {
        self.turbo
    }

    /// Whether this line is one of an earlier run.
    pub(super) fn hear(&mut self, text: &[u8]) -> bool {
        let opened = std::mem::take(&mut self.opened);
        if let Some(name) = text.strip_prefix(b"##[group]") {
            self.depth = self.depth.saturating_add(1);
            self.opened = true;
            if self.on.is_none() && is_nx_task(name) == Some(true) {
                self.on = Some(On::Group(self.depth));
            }
            return self.on.is_some();
        }
        if text == b"##[endgroup]" {
            let ends = matches!(self.on, Some(On::Group(depth)) if self.depth <= depth);
            self.depth = self.depth.saturating_sub(1);
            self.on.take_if(|_| ends);
            return true;
        }
        if let Some(task) = turbo::task(text).filter(|_| opened || !matches!(self.on, Some(On::Group(_)))) {
            let place = if opened { On::Group(self.depth) } else { On::Task };
            self.on = (task == Task::Replayed).then_some(place);
            return false;
        }
        if let Some(cached) = is_nx_task(text).filter(|_| !matches!(self.on, Some(On::Group(_)))) {
            self.on = cached.then_some(On::Task);
        }
        if turbo::is_start(text) {
            self.turbo = true;
        } else if turbo::sum(text).is_some() {
            (self.turbo, self.on) = (false, None);
        }
        if text.starts_with(b" Tasks: ") || text.starts_with(b" NX ") {
            self.on = None;
        }
        self.on.is_some()
    }
}

/// `> nx run app:build  [local cache]`, in a group with a sign before it; whether its output is one of an earlier run.
fn is_nx_task(text: &[u8]) -> Option<bool> {
    let at = memchr::memmem::find(&text[..text.len().min(16)], b"> nx run ")?;
    let cached = [&b" cache]"[..], b"[existing outputs match the cache, left as is]"];
    Some(at <= 8 && cached.iter().any(|end| text.ends_with(end)))
}

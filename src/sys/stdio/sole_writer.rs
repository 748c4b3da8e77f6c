//! Whoever has a stream alone writes past the thread, and what others write meanwhile waits behind it.

use super::{OutputWriter, Shared};

/// The stream is its holder's alone until it is dropped.
pub(super) struct SoleWriter<'a>(&'a OutputWriter);

impl SoleWriter<'_> {
    /// If nothing waits, and nobody writes.
    pub(super) fn take(outlet: &OutputWriter) -> Option<SoleWriter<'_>> {
        let mut queue = outlet.lock();
        if !queue.is_free() {
            return None;
        }
        queue.writing = true;
        Some(SoleWriter(outlet))
    }

    /// Leaves what could not be sent to the thread, before what has come since. Returns an empty buffer.
    pub(super) fn end(self, rest: Vec<u8>) -> Vec<u8> {
        if rest.is_empty() {
            return rest;
        }
        let mut queue = self.0.lock();
        queue.bytes += rest.len();
        queue.chunks.push_front(rest);
        queue.spares.pop().unwrap_or_default()
    }
}

impl Drop for SoleWriter<'_> {
    fn drop(&mut self) {
        let Shared { filled, emptied, .. } = &*self.0.shared;
        let mut queue = self.0.lock();
        queue.writing = false;
        if queue.chunks.is_empty() {
            emptied.notify_all();
        } else if std::mem::take(&mut queue.idle) {
            filled.notify_one();
        }
    }
}

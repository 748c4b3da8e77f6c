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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::time::Duration;

    #[test]
    fn what_is_left_goes_before_what_others_have_written_meanwhile() {
        let (mut taken, to) = std::io::pipe().expect("a pipe");
        let outlet = OutputWriter::onto(to.into(), "test").expect("a thread");
        let writer = SoleWriter::take(&outlet).expect("nobody writes");
        assert!(SoleWriter::take(&outlet).is_none(), "somebody does");
        outlet.try_write(b"theirs\n".to_vec());
        assert!(!outlet.flush(Duration::ZERO), "the thread leaves it alone");
        assert!(writer.end(b"rest\n".to_vec()).is_empty());
        assert!(outlet.flush(Duration::from_secs(60)));
        let mut all = [0; 12];
        taken.read_exact(&mut all).expect("it is there");
        assert_eq!(all, *b"rest\ntheirs\n");
        drop(SoleWriter::take(&outlet).expect("nobody writes any more"));
        assert!(outlet.flush(Duration::ZERO) && outlet.is_free());
    }
}

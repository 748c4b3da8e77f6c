//! A job's pages tell the same of its caches however they are cut, and never more than lines could say.
//!
//! Pages are cut at the byte 0x1e; the first byte says how.

use runner_init::domain::cache::{CacheEvent, Caches, JobLog};

pub(super) fn run(bytes: &[u8]) {
    let (cut, bytes) = super::number(bytes);
    let whole = told(bytes, usize::MAX);
    assert_eq!(whole, told(bytes, cut.max(1)));
    let mut caches = Caches::new(&[]);
    for event in &whole {
        assert!(event.tally.total() > 0, "an event of nothing");
        if let Some(rate) = caches.note(event) {
            assert!((0.0..=1.0).contains(&rate), "{rate}");
        }
    }
    assert!(caches.shares().all(|share| share.hits <= share.requests));
}

fn told(bytes: &[u8], cut: usize) -> Vec<CacheEvent> {
    let (mut log, mut events) = (JobLog::default(), Vec::new());
    for page in bytes.split(|byte| *byte == 0x1e) {
        log.turn();
        page.chunks(cut).for_each(|piece| log.feed(piece, &mut events));
    }
    log.end(&mut events);
    events
}

//! The keys of a row: the first 8 bytes of a SHA-256 each, the same in every life of a collector.

use crate::domain::fleet::seen::{Keys, parts};
use crate::domain::record::JobRecord;
use ring::digest::{SHA256, digest};

pub(super) fn keys(row: &JobRecord) -> Keys {
    let [job, whole, queue_time] = parts(row).map(|part| key(&part));
    Keys { job, row: whole, queue_time: row.queue_time.map(|_| queue_time) }
}

fn key(text: &[u8]) -> u64 {
    let digest = digest(&SHA256, text);
    digest.as_ref().iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
}

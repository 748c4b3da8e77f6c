//! A vectorised search for line ends. Line ends are found 64 bytes at a time: of a log that nobody waits for, this is
//! nearly all that reading costs.

#![expect(clippy::inline_always, reason = "a call per block costs as much as the block")]

const BLOCK: usize = 64;

/// The line feeds of each block of `bytes`, one bit each, with the place of its first byte.
#[inline(always)]
pub(super) fn blocks(bytes: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    let (blocks, rest) = bytes.as_chunks();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let last = (blocks.len() * BLOCK, feeds(&last));
    blocks.iter().enumerate().map(|(number, block)| (number * BLOCK, feeds(block))).chain([last])
}

/// One bit per byte that is a line feed, the first one lowest.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn feeds(block: &[u8; BLOCK]) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    let (words, _) = block.as_chunks::<8>();
    let word = |at: usize| i64::from_le_bytes(words[at]);
    let quarter = |at: usize| {
        #[expect(unsafe_code, reason = "SSE2 is part of every x86_64; no memory is touched but by value")]
        let mask = unsafe {
            let bytes = _mm_set_epi64x(word(2 * at + 1), word(2 * at));
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(10)))
        };
        u64::from(mask.cast_unsigned()) << (16 * at)
    };
    quarter(0) | quarter(1) | quarter(2) | quarter(3)
}

/// One bit per byte that is a line feed, the first one lowest.
#[cfg(not(target_arch = "x86_64"))]
fn feeds(block: &[u8; BLOCK]) -> u64 {
    memchr::memchr_iter(b'\n', block).fold(0, |found, at| found | 1 << at)
}

#[cfg(test)]
mod tests {
    use super::blocks;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_plain_search(bytes in prop::collection::vec(prop_oneof![3 => Just(b'\n'), 9 => any::<u8>()], 0..400)) {
            let place = |(base, feeds): (usize, u64)| (0..64).filter(move |at| feeds >> at & 1 == 1).map(move |at| base + at);
            let found: Vec<usize> = blocks(&bytes).flat_map(place).collect();
            let plain: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
            prop_assert_eq!(found, plain);
        }
    }
}

//! A vectorised search for one byte, 64 at a time, where it comes often: a search for the next one costs as much as the block.

#![expect(clippy::inline_always, reason = "a call per block costs as much as the block")]

const BLOCK: usize = 64;

/// Where `BYTE` is in each block of `bytes`, one bit each, with the place of the block's first byte.
#[inline(always)]
pub(crate) fn blocks<const BYTE: u8>(bytes: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    let (blocks, rest) = bytes.as_chunks();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let inside = (1_u64 << rest.len()) - 1;
    let last = (blocks.len() * BLOCK, found::<BYTE>(&last) & inside);
    blocks.iter().enumerate().map(|(number, block)| (number * BLOCK, found::<BYTE>(block))).chain([last])
}

/// One bit per byte that is `BYTE`, the first one lowest.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn found<const BYTE: u8>(block: &[u8; BLOCK]) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    let (words, _) = block.as_chunks::<8>();
    let word = |at: usize| i64::from_le_bytes(words[at]);
    let quarter = |at: usize| {
        #[expect(unsafe_code, reason = "SSE2 is part of every x86_64; no memory is touched but by value")]
        let mask = unsafe {
            let bytes = _mm_set_epi64x(word(2 * at + 1), word(2 * at));
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(BYTE.cast_signed())))
        };
        u64::from(mask.cast_unsigned()) << (16 * at)
    };
    quarter(0) | quarter(1) | quarter(2) | quarter(3)
}

/// One bit per byte that is `BYTE`, the first one lowest.
#[cfg(not(target_arch = "x86_64"))]
fn found<const BYTE: u8>(block: &[u8; BLOCK]) -> u64 {
    memchr::memchr_iter(BYTE, block).fold(0, |found, at| found | 1 << at)
}

#[cfg(test)]
mod tests {
    use super::blocks;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_plain_search(bytes in prop::collection::vec(prop_oneof![3 => Just(b'\n'), 3 => Just(0), 9 => any::<u8>()], 0..400)) {
            fn found<const BYTE: u8>(bytes: &[u8]) -> Vec<usize> {
                let place = |(base, found): (usize, u64)| (0..64).filter(move |at| found >> at & 1 == 1).map(move |at| base + at);
                blocks::<BYTE>(bytes).flat_map(place).collect()
            }
            let plain = |byte: u8| (0..bytes.len()).filter(|at| bytes[*at] == byte).collect::<Vec<usize>>();
            prop_assert_eq!(found::<b'\n'>(&bytes), plain(b'\n'));
            prop_assert_eq!(found::<0>(&bytes), plain(0), "what the last block is filled up with is no byte of theirs");
        }
    }
}

//! Names, rates, and any bytes at all; the sentences themselves are in `tests/corpus/cache`.

use super::*;
use proptest::prelude::*;

#[test]
fn names_are_words_and_the_list_is_bounded() {
    assert_eq!(CacheType::named("npm"), Some(CacheType::Npm));
    assert_eq!(CacheType::named("a-b_9"), Some(CacheType::Own("a-b_9".into())));
    for bad in ["", "A", "9a", "-a", "a b", "é", "a\n", &"a".repeat(33)] {
        assert_eq!(CacheType::named(bad), None, "{bad:?}");
    }
    let own: Vec<String> = ["npm", "Bad", "x", "x"]
        .map(String::from)
        .into_iter()
        .chain((0..20).map(|n| format!("t{n}")))
        .collect();
    let caches = Caches::new(&own);
    let names: Vec<&str> = caches.types().map(CacheType::as_str).collect();
    assert_eq!(names, ["actions", "buildkit", "apt", "npm", "x", "t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
    let event = CacheEvent { kind: CacheType::Own("x".into()), result: CacheResult::Hit };
    assert_eq!(caches.reported("x", CacheResult::Hit), Some(event));
    assert_eq!(caches.reported("t19", CacheResult::Hit), None);
}

#[test]
fn the_rate_is_that_of_the_last_hundred_and_only_full_hits_count() {
    let mut rate = HitRate::default();
    assert_eq!(rate.rate(), None);
    rate.note(CacheResult::Partial);
    assert_eq!(rate.rate(), Some(0.0));
    rate.note(CacheResult::Hit);
    assert_eq!(rate.rate(), Some(0.5));
    (0..100).for_each(|_| rate.note(CacheResult::Hit));
    assert_eq!(rate.rate(), Some(1.0));
    (0..25).for_each(|_| rate.note(CacheResult::Miss));
    assert_eq!(rate.rate(), Some(0.75));
    let mut caches = Caches::new(&[]);
    let event = |result| CacheEvent { kind: CacheType::Apt, result };
    assert_eq!(caches.note(&event(CacheResult::Hit)), Some(1.0));
    assert_eq!(caches.note(&event(CacheResult::Miss)), Some(0.5));
    let foreign = CacheEvent { kind: CacheType::Own("x".into()), result: CacheResult::Hit };
    assert_eq!(caches.note(&foreign), None);
}

/// Words of the grammar and anything else, so that every state is met.
fn a_line() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "##[group]Run actions/cache@v4",
        "##[group]Run actions/setup-node@v4",
        "##[group]Run make",
        "with:",
        "env:",
        "  key: k",
        "##[endgroup]",
        "\u{1b}[36;1mmake\u{1b}[0m",
        "shell: /usr/bin/bash -e {0}",
        "Post job cleanup.",
        "Cache restored from key: k",
        "Cache not found for input keys: k",
        "npm cache is not found",
        "#1 [1/2] RUN x",
        "#1 CACHED",
        "#1 DONE 0.1s",
        "#0 building with \"default\"",
        "Need to get 1 B of archives.",
        "Get:1 x",
        "npm http fetch GET 200 x 1ms (cache hit)",
        "\u{1b}[1mnpm http fetch x (cache miss)",
        "",
    ]);
    let junk = prop::collection::vec(any::<u8>(), 0..60);
    let timed = words.prop_map(|text| format!("2026-08-17T13:15:44.1234567Z {text}").into_bytes());
    prop_oneof![4 => timed, 1 => junk]
}

fn read(pieces: &[&[u8]]) -> (Vec<CacheEvent>, usize) {
    let (mut log, mut events) = (JobLog::default(), Vec::new());
    for piece in pieces {
        log.feed(piece, &mut events);
    }
    (events, log.torn_capacity())
}

proptest! {
    #[test]
    fn the_cuts_between_reads_never_matter(lines in prop::collection::vec(a_line(), 0..60), cut in 1_usize..90) {
        let bytes = lines.join(&b'\n');
        let (whole, _) = read(&[&bytes]);
        let (cut, _) = read(&bytes.chunks(cut).collect::<Vec<_>>());
        prop_assert!(whole.len() <= lines.len());
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn no_bytes_grow_memory(bytes in prop::collection::vec(any::<u8>(), 0..3000), times in 1_usize..40, cut in 1_usize..5000) {
        let bytes = bytes.repeat(times);
        let (_, kept) = read(&bytes.chunks(cut).collect::<Vec<_>>());
        prop_assert!(kept <= 8192, "{}", kept);
    }
}

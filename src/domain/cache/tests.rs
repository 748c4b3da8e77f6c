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
    let built_in = CacheType::BUILT_IN.map(|kind| kind.as_str().to_owned());
    assert_eq!(names[..11], built_in);
    assert_eq!(names[11..], ["x", "t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
    let event = CacheEvent::one(CacheType::Own("x".into()), CacheResult::Hit);
    assert_eq!(caches.reported("x", CacheResult::Hit), Some(event));
    assert_eq!(caches.reported("t19", CacheResult::Hit), None);
}

#[test]
fn the_rate_is_that_of_the_last_hundred_and_only_full_hits_count() {
    let mut rate = HitRate::default();
    assert_eq!(rate.rate(), None);
    let one = Tally::one;
    rate.note(Tally::default());
    assert_eq!(rate.rate(), None, "no request is no rate");
    rate.note(one(CacheResult::Partial));
    assert_eq!(rate.rate(), Some(0.0));
    rate.note(one(CacheResult::Hit));
    assert_eq!(rate.rate(), Some(0.5));
    (0..100).for_each(|_| rate.note(one(CacheResult::Hit)));
    assert_eq!(rate.rate(), Some(1.0));
    (0..25).for_each(|_| rate.note(one(CacheResult::Miss)));
    assert_eq!(rate.rate(), Some(0.75));
    let mut caches = Caches::new(&[]);
    let event = |result| CacheEvent::one(CacheType::Apt, result);
    assert_eq!(caches.note(&event(CacheResult::Hit)), Some(1.0));
    assert_eq!(caches.note(&event(CacheResult::Miss)), Some(0.5));
    let foreign = CacheEvent::one(CacheType::Own("x".into()), CacheResult::Hit);
    assert_eq!(caches.note(&foreign), None);
}

#[test]
fn of_many_requests_at_once_the_rate_is_their_share() {
    let rate_of = |tallies: &[(u32, u32)]| {
        let mut rate = HitRate::default();
        for (hits, misses) in tallies {
            rate.note(Tally { hits: *hits, misses: *misses, partials: 0 });
        }
        rate.rate()
    };
    assert_eq!(rate_of(&[(3, 1)]), Some(0.75));
    assert_eq!(rate_of(&[(900, 300)]), Some(0.75));
    assert_eq!(rate_of(&[(1, 3), (u32::MAX, u32::MAX)]), Some(0.5));
    // Half of what is looked back on is of the first: evenly, so that no order is made up.
    assert_eq!(rate_of(&[(50, 50), (0, 50)]), Some(0.25));
}

#[test]
fn a_type_is_shown_from_the_start_if_it_is_named() {
    let shown = |named: &[&str]| {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        let caches = Caches::new(&named);
        caches.from_the_start().map(|kind| kind.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&[]), [""; 0]);
    assert_eq!(shown(&["x", "uv", "npm", "Bad"]), ["npm", "uv", "x"]);
}

/// A step in which every tool is heard.
const SCRIPT: &str = "2026-08-17T13:15:44.1234567Z ##[group]Run make\n\
                      2026-08-17T13:15:44.1234567Z shell: bash\n\
                      2026-08-17T13:15:44.1234567Z ##[endgroup]\n";

/// Words of the grammar.
const WORDS: &[&str] = &[
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
    "npm http fetch GET 200 https://x 1ms (cache miss)",
    "npm http cache x@https://x 1ms (cache hit)",
    "npm error code E",
    "added 2 packages in 1s",
    "#0 building with \"default\" instance",
    "#2 [2/2] COPY . .",
    "#2 0.1 x",
    "#2 CACHED",
    "#2 sha256:0 1MB / 2MB",
    "#2 ERROR: x",
    "#3 [1/2] FROM x",
    "#3 DONE 0.1s",
    "  Download size: 1 kB / 2 kB",
    "Get:1 /x x all 1 [1 kB]",
    "Get:1 http://x y/z a b c 1 [1 kB]",
    "Unpacking x",
    "E: Failed to fetch x",
    "Progress: resolved 2, reused 1, downloaded 1, added 2, done",
    "Resolved 2 packages in 1ms",
    "Prepared 1 package in 1ms",
    "Installed 2 packages in 1ms",
    "  Downloading x.whl (1 kB)",
    "Using cached x.whl",
    "Cache hits          7",
    "Cache misses        3",
    "Cacheable calls:   3 /   3",
    "  Hits:   1 /   3",
    "  Misses:   2 /   3",
    "Local storage:",
    "ok  \tx\t(cached)",
    "FAIL\tx\t0.1s",
    "   \u{2022} Running build in 2 packages",
    "##[group]web:build",
    "##[group]\u{1F501} > nx run a:b  [local cache]",
    "cache hit, replaying logs 0123456789abcdef",
    "web:build: cache miss, executing 0123456789abcdef",
    "Cached:    1 cached, 9 total",
    "\u{1b}[1mnpm http fetch x (cache miss)",
    "",
];

/// Those and anything else, so that every state is met.
fn a_line() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(WORDS);
    let junk = prop::collection::vec(any::<u8>(), 0..60);
    let timed = words.prop_map(|text| format!("2026-08-17T13:15:44.1234567Z {text}").into_bytes());
    prop_oneof![4 => timed, 1 => junk]
}

fn read(pieces: &[&[u8]]) -> (Vec<CacheEvent>, usize) {
    let (mut log, mut events) = (JobLog::default(), Vec::new());
    for piece in pieces {
        log.feed(piece, &mut events);
    }
    log.end(&mut events);
    (events, log.torn_capacity())
}

#[test]
fn a_byte_order_mark_may_come_in_pieces() {
    let timed = |text: &str| format!("2026-08-17T13:15:44.1234567Z {text}\n");
    let asked =
        ["npm http fetch GET 200 https://x 1ms (cache miss)", "added 2 packages in 1s", "##[group]Run x"];
    let log = ["\u{feff}", SCRIPT, &asked.map(timed).concat()].concat();
    let (whole, _) = read(&[log.as_bytes()]);
    assert!(!whole.is_empty(), "the first line is read");
    for cut in 1..5 {
        assert_eq!(read(&log.as_bytes().chunks(cut).collect::<Vec<_>>()).0, whole, "{cut}");
    }
}

proptest! {
    #[test]
    fn the_cuts_between_reads_never_matter(lines in prop::collection::vec(a_line(), 0..60), cut in 1_usize..90) {
        let mut bytes = SCRIPT.as_bytes().to_vec();
        bytes.extend(lines.join(&b'\n'));
        let (whole, _) = read(&[&bytes]);
        let (cut, _) = read(&bytes.chunks(cut).collect::<Vec<_>>());
        prop_assert!(whole.iter().all(|event| event.tally.total() > 0));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn no_bytes_grow_memory(bytes in prop::collection::vec(any::<u8>(), 0..3000), times in 1_usize..40, cut in 1_usize..5000) {
        let bytes = bytes.repeat(times);
        let (_, kept) = read(&bytes.chunks(cut).collect::<Vec<_>>());
        prop_assert!(kept <= 8192, "{}", kept);
    }
}

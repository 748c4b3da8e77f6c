//! The fuzz targets over the inputs that are kept: what a fuzzer has reached once stays reached, and what it has broken stays whole.
#![allow(clippy::disallowed_methods, reason = "a test reads the repository")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]
#![allow(unreachable_pub, reason = "the targets are a library to the fuzzer")]

#[path = "fuzz/targets/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The most that is kept of one target, in bytes.
const SMALL: u64 = 256 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// What lies in a directory, by name.
fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What is kept of a target.
fn kept(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = root().join("seeds").join(target);
    names(&dir).into_iter().map(|name| (dir.join(&name), fs::read(dir.join(&name)).unwrap())).collect()
}

#[test]
fn every_target_holds_over_what_is_kept() {
    for (target, _) in targets::ALL {
        let kept = kept(target);
        assert!(kept.len() >= 3, "{target}: {} inputs", kept.len());
        let size: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(size as u64 <= SMALL, "{target}: {size} bytes are kept");
        for (path, bytes) in kept {
            eprintln!("{}", path.display());
            targets::run(target, &bytes);
        }
        targets::run(target, b"");
    }
}

/// Without a fuzzer: each input with bytes taken away, doubled and replaced, by a rule and not by chance.
#[test]
fn every_target_holds_over_what_is_like_it() {
    for (target, run) in targets::ALL {
        for (at, (_, bytes)) in kept(target).into_iter().enumerate() {
            let Some(place) = (at * 7919).checked_rem(bytes.len()) else { continue };
            let (head, tail) = bytes.split_at(place);
            run(head);
            run(tail);
            run(&[head, &tail[1..]].concat());
            run(&[head, tail, tail].concat());
            run(&[head, b"\n", tail].concat());
            run(&[head, b"\xff", &tail[1..]].concat());
        }
    }
}

/// Without a fuzzer, and so blindly: what is kept, cut up and put together by chance, for so long.
#[test]
#[ignore = "takes as long as FUZZ_SECONDS says"]
fn every_target_holds_over_what_is_made_up() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let each = Duration::from_secs(seconds) / u32::try_from(targets::ALL.len()).unwrap();
    for (target, run) in targets::ALL {
        let kept: Vec<Vec<u8>> = kept(target).into_iter().map(|(_, bytes)| bytes).collect();
        let (begin, mut runs) = (Instant::now(), 0_u64);
        while begin.elapsed() < each {
            let mut rng = fastrand::Rng::with_seed(runs);
            let mut input = rng.choice(&kept).unwrap().clone();
            for _ in 0..=rng.usize(..4) {
                change(&mut input, rng.choice(&kept).unwrap(), &mut rng);
            }
            let held = catch_unwind(AssertUnwindSafe(|| run(&input)));
            assert!(held.is_ok(), "{target}: {:?}", String::from_utf8_lossy(&input));
            runs += 1;
        }
        eprintln!("{target}: {runs}");
    }
}

/// One change: bytes go, come, are another input's, are doubled or turned.
fn change(input: &mut Vec<u8>, other: &[u8], rng: &mut fastrand::Rng) {
    let at = rng.usize(..=input.len());
    let end = (at + rng.usize(..=16)).min(input.len());
    let from = rng.usize(..=other.len());
    let part = &other[from..(from + rng.usize(..=64)).min(other.len())];
    match rng.u8(..6) {
        0 => drop(input.drain(at..end)),
        1 => drop(input.splice(at..end, part.iter().copied())),
        2 => drop(input.splice(at..at, part.iter().copied())),
        3 => input.extend_from_within(at..end),
        4 => input[at..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.u8(..8)),
        _ => input[at..end].fill(rng.u8(..)),
    }
}

#[test]
fn each_target_has_a_binary_and_a_seed_and_nothing_else_does() {
    let all: BTreeSet<String> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&root().join("seeds")), all);
    let with = |dir: &str| -> BTreeSet<String> {
        let files = names(&root().join(dir)).into_iter();
        files
            .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
            .filter(|name| name != "lib")
            .collect()
    };
    assert_eq!((&with("bins"), &with("targets")), (&all, &all));
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for name in &all {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"bins/{name}.rs\"")), "{name}");
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
        let bin = fs::read_to_string(root().join(format!("bins/{name}.rs"))).unwrap();
        assert!(bin.contains(&format!("run(\"{name}\", bytes)")), "{name}");
    }
    for dictionary in names(&root()).iter().filter_map(|name| name.strip_suffix(".dict")) {
        assert!(all.contains(dictionary), "{dictionary}");
    }
}

//! An environment is a configuration or a list of faults; what is shown of either holds no secret, and a stop fits into its grace.
//!
//! The input is `NAME=VALUE` lines; those that begin with a slash are files, in which `\` ends a line.

use runner_init::config::{Config, Loaded, MapLookup, is_secret, render_check};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// A shorter text may well be a part of some other word.
const LONG: usize = 12;

pub(super) fn run(bytes: &[u8]) {
    let (mut lookup, mut secrets, mut plain) =
        (MapLookup::default().with_hostname("machine"), Vec::new(), String::new());
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, value) = super::split(line, b'=');
        let value: Vec<u8> = value.iter().copied().filter(|byte| *byte != 0).collect();
        if name.starts_with(b"/") {
            let text: Vec<u8> = value.iter().map(|byte| if *byte == b'\\' { b'\n' } else { *byte }).collect();
            plain.push_str(&String::from_utf8_lossy(name));
            secrets.push(String::from_utf8_lossy(&text).trim().to_owned());
            lookup = lookup.with_file(OsString::from_vec(name.to_vec()), text);
            continue;
        }
        let text = String::from_utf8_lossy(&value).trim().to_owned();
        plain.push_str(&String::from_utf8_lossy(name));
        if is_secret(name) {
            secrets.push(text);
        } else {
            plain.push_str(&text);
        }
        lookup = lookup.with(OsString::from_vec(name.to_vec()), OsString::from_vec(value));
    }
    let result = Config::from_lookup(&lookup);
    let mut shown = vec![render_check(&result)];
    match &result {
        Ok(loaded) => {
            holds(loaded, &lookup);
            shown.push(format!("{:?} {:?}", loaded.config, loaded.warnings));
            loaded.warnings.iter().for_each(|warning| super::assert_printable(&warning.to_string()));
        }
        Err(faults) => {
            assert!(!faults.faults.is_empty());
            shown.push(format!("{faults} {faults:?}"));
            faults.to_string().lines().for_each(super::assert_printable);
        }
    }
    // What is set openly elsewhere may be shown there, and our own words are no secret.
    let ours = render_check(&Config::from_lookup(&MapLookup::default()));
    for secret in secrets
        .iter()
        .filter(|secret| secret.len() >= LONG && !plain.contains(*secret) && !ours.contains(*secret))
    {
        assert!(shown.iter().all(|shown| !shown.contains(secret)), "{secret:?} in {shown:?}");
    }
}

fn holds(loaded: &Loaded, lookup: &MapLookup) {
    let Config { lifecycle, metrics, .. } = &loaded.config;
    assert!(lifecycle.budget.total() <= lifecycle.grace);
    assert!(Config::sweep_grace(lookup) <= std::time::Duration::from_secs(2));
    assert!(metrics.buckets.is_sorted_by(|a, b| a < b));
    assert!(metrics.buckets.iter().all(|bound| bound.is_finite() && *bound > 0.0));
    assert!(!loaded.config.deregisters() || loaded.config.credential.is_some());
}

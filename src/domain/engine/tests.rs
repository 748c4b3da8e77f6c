//! Whose a thing on the engine is, row by row, and what an engine's words are worth.

use super::*;

fn at(seconds: i64, millis: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, millis * 1_000_000).unwrap()
}

const ID: &str = "a949e174440eda347a5098160333c2ce59389ac373b890c95cfe2c66d99317c7";

fn found(kind: Kind, name: &str, labels: &[&str], created: DateTime<Utc>) -> Found {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Found { kind, id: ID.into(), name: name.into(), labels, created }
}

type Row = (Kind, &'static str, &'static [&'static str], DateTime<Utc>, Verdict);

#[test]
fn whose_it_is_row_by_row() {
    let job = Mark { labels: vec!["6ac3cf".into(), "0dd5ea".into()], began: at(1000, 600) };
    let (container, network) = (Kind::Container, Kind::Network);
    let name = "ddf160f8e58e4943b87c76179b40aee2_bblab_038f56";
    let net = "github_network_31b3bd5216414132934d668751582e2f";
    let rows: [Row; 15] = [
        (container, name, &["6ac3cf"], at(1001, 0), Verdict::Ours),
        (container, name, &["0dd5ea"], at(1001, 0), Verdict::Ours),
        (container, name, &["maintainer", "6ac3cf"], at(9999, 0), Verdict::Ours),
        (container, "named-by-the-workflow", &["6ac3cf"], at(1001, 0), Verdict::Ours),
        // The same second: containers come with whole ones only.
        (container, name, &["6ac3cf"], at(1000, 0), Verdict::Ours),
        (container, name, &["6ac3cf"], at(999, 0), Verdict::Older),
        (container, name, &["dc0b49"], at(1001, 0), Verdict::OtherLabel),
        (container, name, &[], at(1001, 0), Verdict::OtherLabel),
        (container, name, &["6ac3cf0"], at(1001, 0), Verdict::OtherLabel),
        (container, name, &["6ac3c"], at(1001, 0), Verdict::OtherLabel),
        (network, net, &["6ac3cf"], at(1000, 900), Verdict::Ours),
        (network, net, &["6ac3cf"], at(999, 900), Verdict::Older),
        (network, net, &["dc0b49"], at(1001, 0), Verdict::OtherLabel),
        (network, "bridge", &["6ac3cf"], at(1001, 0), Verdict::NotAWorkers),
        (network, "bridge", &[], at(1001, 0), Verdict::OtherLabel),
    ];
    for (kind, name, labels, created, want) in rows {
        let found = found(kind, name, labels, created);
        assert_eq!(verdict(&found, &job, TimeDelta::zero()), want, "{found:?}");
    }
    for id in ["", "../containers/x", "a b", "a/b?force=1"] {
        let found = Found { id: id.into(), ..found(container, name, &["6ac3cf"], at(1001, 0)) };
        assert_eq!(verdict(&found, &job, TimeDelta::zero()), Verdict::NotAWorkers, "{id:?} is no path");
    }
}

#[test]
fn an_engine_with_another_clock_is_asked_by_its_own() {
    let job = Mark { labels: vec!["6ac3cf".into()], began: at(1000, 0) };
    let of = |created, ahead| verdict(&found(Kind::Container, "x", &["6ac3cf"], created), &job, ahead);
    for (engine, ours, want) in [
        (at(2000, 0), at(2000, 999), 0),
        (at(2001, 0), at(2000, 0), 0),
        (at(1990, 0), at(2000, 0), -10),
        (at(2060, 0), at(2000, 0), 60),
    ] {
        assert_eq!(ahead(engine, ours), TimeDelta::seconds(want));
    }
    let (slow, fast) = (TimeDelta::seconds(-10), TimeDelta::seconds(60));
    assert_eq!((of(at(991, 0), slow), of(at(989, 0), slow)), (Verdict::Ours, Verdict::Older));
    assert_eq!((of(at(1061, 0), fast), of(at(1059, 0), fast)), (Verdict::Ours, Verdict::Older));
}

#[test]
fn a_label_is_made_of_the_text_as_the_runner_reads_it() {
    let real = "\u{feff}{\r\n  \"agentName\": \"LAB\",\r\n  \"gitHubUrl\": \"https://g.example/O/R\"\r\n}";
    let [lower, plain] = spellings(real.as_bytes());
    assert_eq!(lower, "{\r\n  \"agentname\": \"lab\",\r\n  \"githuburl\": \"https://g.example/o/r\"\r\n}");
    assert_eq!(plain, real.trim_start_matches('\u{feff}'), "line ends stay, the mark goes");
    assert_eq!(spellings("ÄİΣ".as_bytes())[0], "äİσ", "character by character");
    let mut digest = [0xff; 32];
    digest[..3].copy_from_slice(&[0x0a, 0xc3, 0xcf]);
    assert_eq!(label(digest), "0ac3cf");
}

#[test]
fn a_listing_is_read_as_the_engine_writes_it() {
    let containers = format!(
        r#"[{{"Id":"{ID}","Names":["/n_bb_1"],"Image":"bb","Created":1001,"Labels":{{"6ac3cf":""}},"State":"running"}},
            {{"Id":"00","Names":null,"Created":7,"Labels":null}}]"#
    );
    let read = listing(Kind::Container, containers.as_bytes()).unwrap();
    assert_eq!(read[0], found(Kind::Container, "n_bb_1", &["6ac3cf"], at(1001, 0)));
    assert_eq!((read[1].name.as_str(), read[1].labels.len()), ("", 0));
    let networks = format!(
        r#"[{{"Name":"github_network_1","Id":"{ID}","Created":"1970-01-01T00:16:41.25+00:00","Labels":{{"6ac3cf":""}}}}]"#
    );
    let read = listing(Kind::Network, networks.as_bytes()).unwrap();
    assert_eq!(read, [found(Kind::Network, "github_network_1", &["6ac3cf"], at(1001, 250))]);
    for garbage in ["", "null", "{}", "[1]", "[{}]", "<html>", "[{\"Id\":"] {
        for kind in Kind::ALL {
            let says = listing(kind, garbage.as_bytes()).unwrap_err();
            assert!(says.starts_with("its list of "), "{says}");
        }
    }
}

#[test]
fn a_refusal_fits_a_line() {
    assert_eq!(refusal(409, br#"{"message":"removal\nin progress"}"#), "it answers 409 removal in progress");
    assert_eq!(refusal(500, b"<html>"), "it answers 500");
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(5000));
    assert_eq!(refusal(500, long.as_bytes()).len(), "it answers 500 ".len() + 200);
}

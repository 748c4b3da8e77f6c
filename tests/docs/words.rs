//! What a text mentions: variables, metrics, exit codes, calls of ours, paths, read from it by their shape alone.

use regex::Regex;
use std::sync::LazyLock;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

/// Names in capitals with an underscore; not the beginning or end of a longer word, of a path or of a file.
pub(crate) fn variables(code: &str) -> Vec<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?:^|[^A-Za-z0-9_./-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:$|[^A-Za-z0-9_./*-]|[.-](?:$|[^a-z]))",
        )
    });
    // A match takes the character behind it, which may be the one before the next.
    let spaced = code.replace(['|', ',', ' ', '=', ':', '$', '{', '"'], "  ");
    NAME.captures_iter(&spaced).map(|found| found[1].to_owned()).collect()
}

/// Names of metrics and of recorded series, with the suffixes of histograms.
pub(crate) fn metrics(text: &str) -> Vec<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?:[a-z_]+:)?\b(?:github_runner|process)_[a-z0-9_]*[a-z0-9]\b(?::[a-z0-9_]+)?\*?")
    });
    let found = NAME.find_iter(text).map(|found| found.as_str().to_owned());
    found.filter(|name| !name.ends_with('*')).collect()
}

/// Numbers that are said to be exit codes: of us, of a container, of a command.
pub(crate) fn exit_codes(text: &str) -> Vec<u32> {
    static CODE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?i)\bexit(?:s|ed)?(?: code| status)?(?: with| is)? `?(\d{1,3})`?(?: or `?(\d{1,3}))?")
    });
    CODE.captures_iter(text)
        .flat_map(|found| {
            [found.get(1), found.get(2)]
                .into_iter()
                .flatten()
                .filter_map(|n| n.as_str().parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The words after `runner-init` in a line of code, up to what is another command, a comment or the child's.
pub(crate) fn calls(code: &str) -> Vec<Vec<String>> {
    static CALL: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?:^|[\s;|&(/])runner-init((?: +[^\s;|&)#>][^\s;&)#>]*)+)"));
    let words = |text: &str| -> Vec<String> {
        let words =
            text.split_whitespace().map(|word| word.trim_matches(['"', '\'', ',', '[', ']']).to_owned());
        words.take_while(|word| word != "--").collect()
    };
    CALL.captures_iter(code).map(|found| words(&found[1])).filter(|words| !words.is_empty()).collect()
}

/// Paths that could be of our endpoint.
pub(crate) fn paths(code: &str) -> Vec<String> {
    static PATH: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?:^|[\s]|GET +|HEAD +|https?://[^/\s]+)(/(?:api/[a-z0-9/]+(?:\.json)?|[a-z]+z|metrics))(?:$|[\s?#'\x22`;,)|])",
        )
    });
    // As above: a match takes the blank behind it.
    PATH.captures_iter(&code.replace(' ', "  ")).map(|found| found[1].to_owned()).collect()
}

#[test]
fn they_are_found_by_their_shape() {
    let code = "-e RUNNER_NAME=a,${METRICS_PORT:-9091} docs/OTHER_IMAGES.md A_B|C_D X_* `E_F`. G_H_";
    assert_eq!(variables(code), ["RUNNER_NAME", "METRICS_PORT", "A_B", "C_D", "E_F"]);
    let text =
        "github_runner_jobs_total{} fleet:github_runner_x:sum github_runner_* process_max_fds github_runner_";
    assert_eq!(metrics(text), ["github_runner_jobs_total", "fleet:github_runner_x:sum", "process_max_fds"]);
    assert_eq!(exit_codes("exits 0 or 64; exit code 137, exit with `69`; exits 5m"), [0, 64, 137, 69, 5]);
    let call = |line: &str| calls(line).into_iter().map(|words| words.join(" ")).collect::<Vec<_>>();
    assert_eq!(call("docker exec x runner-init health --ready | cat"), ["health --ready"]);
    assert_eq!(call("/bin/runner-init -g -- bash --login"), ["-g"]);
    assert_eq!(call("COPY runner-init-linux /runner-init"), [""; 0]);
    assert_eq!(
        paths("GET /api/v1/jobs?limit=5 http://x:1/healthz /actions-runner /metrics /api/a.json"),
        ["/api/v1/jobs", "/healthz", "/metrics", "/api/a.json"]
    );
}

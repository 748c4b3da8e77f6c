//! The runner's sentences word for word, what only looks like them, and a second reader made of regular expressions.
#![expect(clippy::unnecessary_wraps, reason = "written as the reader returns it")]

use super::*;
use proptest::prelude::*;
use regex::Regex;
use std::sync::LazyLock;

const TS: &str = "2026-08-17 13:15:44Z";

fn out(line: &str) -> Option<RunnerEvent> {
    parse(Stream::Stdout, line.as_bytes()).map(|reading| reading.event)
}

fn err(line: &str) -> Option<RunnerEvent> {
    parse(Stream::Stderr, line.as_bytes()).map(|reading| reading.event)
}

fn started(name: &str) -> Option<RunnerEvent> {
    Some(RunnerEvent::JobStarted { name: name.into() })
}

fn completed(name: &str, result: TaskResult) -> Option<RunnerEvent> {
    Some(RunnerEvent::JobCompleted { name: name.into(), result })
}

fn tail(name: &str, result: TaskResult) -> Option<RunnerEvent> {
    Some(RunnerEvent::CompletionTail { name: name.into(), result })
}

fn further(event: RunnerEvent) -> RunnerEvent {
    RunnerEvent::NameLine(Box::new(event))
}

fn fatal(message: &str) -> Option<RunnerEvent> {
    Some(RunnerEvent::Fatal { message: message.into() })
}

fn update(step: UpdateStep) -> Option<RunnerEvent> {
    Some(RunnerEvent::Update(step))
}

#[test]
fn every_line_of_a_listener_on_stdout() {
    let table: [(&str, Option<RunnerEvent>); 27] = [
        ("", None),
        ("√ Connected to GitHub", None),
        ("Current runner version: '2.336.0'", Some(RunnerEvent::Version("2.336.0".into()))),
        ("2026-08-17 13:15:44Z: Listening for Jobs", Some(RunnerEvent::Listening)),
        ("2026-08-17 13:15:44Z: Running job: build", started("build")),
        ("2026-08-17 13:15:44Z: Runner reconnected.", Some(RunnerEvent::Reconnected)),
        ("Exiting...", Some(RunnerEvent::Exiting)),
        ("√ Removed .credentials", None),
        ("√ Removed .runner", Some(RunnerEvent::ConfigRemoved)),
        ("Does not exist. Skipping Removing .credentials", None),
        ("Does not exist. Skipping Removing .runner", None),
        ("Runner update in progress, do not shutdown runner.", update(UpdateStep::InProgress)),
        ("Downloading 2.337.0 runner", update(UpdateStep::Downloading("2.337.0".into()))),
        ("Waiting for current job finish running.", update(UpdateStep::WaitingForJob)),
        ("Generate and execute update script.", update(UpdateStep::Generating)),
        (
            "Runner will exit shortly for update, should be back online within 10 seconds.",
            update(UpdateStep::ExitingSoon),
        ),
        ("Runner update process finished.", update(UpdateStep::Finished)),
        (
            "Warning: '--once' is going to be deprecated in the future, please consider using '--ephemeral'.",
            None,
        ),
        ("This runner version is built for linux (X64), but ran on an unsupported architecture.", None),
        ("Commands:", None),
        (" ./config.sh         Configures the runner", None),
        ("Must not run interactively with sudo", None),
        ("Runner listener exit with 0 return code, stop the service, no retry needed.", None),
        ("Runner listener exit because of updating, re-launch runner after successful update", None),
        ("Update finished successfully.", None),
        ("Restarting runner...", None),
        ("Exiting runner...", None),
    ];
    for (line, event) in table {
        assert_eq!(out(line), event, "{line}");
    }
    for result in TaskResult::ALL {
        let line = format!("{TS}: Job build completed with result: {}", result.as_str());
        assert_eq!(out(&line), completed("build", result));
    }
}

#[test]
fn every_line_of_a_listener_on_stderr() {
    use GhostCause::{NotOnServer, RegistrationDeleted, RemovedByServer};
    use RunnerEvent::{
        ClockSkew, ConnectionError, Ghost, SessionConflict, SessionConflictGaveUp, VersionDeprecated,
    };
    let table: [(&str, Option<RunnerEvent>); 14] = [
        (
            "2026-08-17 13:15:44Z: Runner connect error: Name or service not known (github.com:443). Retrying until reconnected.",
            Some(ConnectionError { message: "Name or service not known (github.com:443)".into() }),
        ),
        ("A session for this runner already exists.", Some(SessionConflict)),
        (
            "Stop retry on SessionConflictException after retried for 240 seconds.",
            Some(SessionConflictGaveUp),
        ),
        (
            "Failed to create session. A session for this runner already exists.",
            fatal("Failed to create session. A session for this runner already exists."),
        ),
        (
            "Failed to create a session. The runner registration has been deleted from the server, please re-configure. Runner registrations are automatically deleted for runners that have not connected to the service recently.",
            Some(Ghost(RegistrationDeleted)),
        ),
        (
            "The runner no longer exists on the server. Please reconfigure the runner.",
            Some(Ghost(NotOnServer)),
        ),
        (
            "The runner no longer exists on the server. Cleaning up local configuration.",
            Some(Ghost(RemovedByServer)),
        ),
        (
            "The local machine's clock may be out of sync with the server time by more than five minutes. Please sync your clock with your domain or internet time and try again.",
            Some(ClockSkew),
        ),
        ("Stopped retrying OAuth token request exception after 1800 seconds.", None),
        (
            "Fail to create and validate runner's work directory '/home/runner/_work'.",
            fatal("Fail to create and validate runner's work directory '/home/runner/_work'."),
        ),
        (
            "Runner update failed: No space left on device",
            update(UpdateStep::Failed("No space left on device".into())),
        ),
        (
            "An error occurred: Not configured. Run config.(sh/cmd) to configure the runner.",
            fatal("An error occurred: Not configured. Run config.(sh/cmd) to configure the runner."),
        ),
        (
            "An error occurred: Runner version v2.300.0 is deprecated and cannot receive messages.",
            Some(VersionDeprecated),
        ),
        (
            "Unhandled exception. System.IO.IOException: disk",
            fatal("Unhandled exception. System.IO.IOException: disk"),
        ),
    ];
    for (line, event) in table {
        assert_eq!(err(line), event, "{line}");
    }
}

#[test]
fn the_time_stamp_is_the_runners_own_and_a_voice_is_known() {
    let reading = parse(Stream::Stdout, b"2026-08-17 13:15:44Z: Running job: b").expect("a sentence");
    assert_eq!((reading.stamp.as_deref(), reading.traced), (Some(TS), false));
    let line = format!("[RUNNER {TS} INFO Terminal] WRITE LINE: {TS}: Running job: b");
    let reading = parse(Stream::Stdout, line.as_bytes()).expect("a sentence");
    assert_eq!((reading.stamp.as_deref(), reading.traced), (Some(TS), true));
    assert_eq!(parse(Stream::Stdout, b"Exiting...").and_then(|reading| reading.stamp), None);
}

#[test]
fn a_name_is_whatever_stands_between_the_words() {
    let long = "x".repeat(10_240);
    let names = [
        "",
        " ",
        "  spaces  at both ends  ",
        "a: b: c",
        "x completed with result: Failed",
        "Job x completed with result: Succeeded",
        "2026-08-17 13:15:44Z: Job x completed with result: Succeeded",
        " completed with result: ",
        " completed with result: Succeeded",
        ": Running job: y",
        "Running job: y",
        r#"say "hi" and 'bye' \ {le="+Inf"} }"#,
        "caller / callee / build (ubuntu-latest, 18)",
        "🚀 déploiement 部署 \u{202e}txet\u{2028}line",
        "[RUNNER 2026-08-17 13:15:44Z INFO Terminal] WRITE LINE: x",
        "tab\tbell\u{7}nul\u{0}",
        "carriage\rreturn",
        &long,
    ];
    for name in names {
        assert_eq!(out(&format!("{TS}: Running job: {name}")), started(name));
        for result in TaskResult::ALL {
            let line = format!("{TS}: Job {name} completed with result: {}", result.as_str());
            assert_eq!(out(&line), completed(name, result), "{line}");
        }
    }
    assert_eq!(out(&format!("{TS}: Running job:")), started(""), "an editor may have cut the space");
}

#[test]
fn colour_is_taken_off_inside_and_around() {
    for line in [
        "\u{1b}[32m2026-08-17 13:15:44Z: Running job: build\u{1b}[0m",
        "2026-08-17 13:15:44Z: Running job: \u{1b}[1;31mbuild",
        "\u{1b}[?1h2026-08-17\u{1b}[m 13:15:44Z: Run\u{1b}[Kning job: build",
    ] {
        assert_eq!(out(line), started("build"), "{line:?}");
    }
    let far = format!("last line completed with result: SucceededWithIssues{}", "\u{1b}[0m".repeat(20));
    assert_eq!(out(&far), tail("last line", TaskResult::SucceededWithIssues));
    let unfinished = "2026-08-17 13:15:44Z: Running job: \u{1b}[31 \u{1b}]0;t\u{7}\u{1b}[";
    assert_eq!(out(unfinished), started("\u{1b}[31 \u{1b}]0;t\u{7}\u{1b}["), "not every escape is colour");
}

#[test]
fn a_name_with_newlines_is_a_head_and_a_tail() {
    assert_eq!(
        out(&format!("{TS}: Job first line")),
        Some(RunnerEvent::CompletionHead { name: "first line".into() })
    );
    assert_eq!(out(&format!("{TS}: Job ")), Some(RunnerEvent::CompletionHead { name: String::new() }));
    // Whatever the last line looks like by itself, the result behind it is heard.
    for last in [
        "",
        "last",
        "Downloading 2.337.0 runner",
        "Runner will exit shortly for update",
        "Current runner version: '2.336.0'",
        "2026-08-17 13:15:44Z: Listening for Jobs",
        "2026-08-17 13:15:44Z: Nothing",
        "[RUNNER 2026-08-17 13:15:44Z INFO Runner] Registration x was not found",
        "[RUNNER 2026-08-17 13:15:44Z INFO Runner",
        "[WORKER 2026-08-17 13:15:44Z INFO StepsRunner] step",
        "b completed with result: Failed",
    ] {
        let line = format!("{last} completed with result: Canceled");
        let event = out(&line).unwrap_or_else(|| panic!("nothing heard in {line}"));
        assert!(
            matches!(event, RunnerEvent::CompletionTail { result: TaskResult::Canceled, .. }),
            "{line}: {event:?}"
        );
    }
    let spoken = "[RUNNER 2026-08-17 13:15:44Z ERR  Terminal] WRITE ERROR: An error occurred: x";
    let line = format!("{spoken} completed with result: Failed");
    assert_eq!(out(&line), tail("An error occurred: x", TaskResult::Failed));
}

#[test]
fn the_old_spelling_is_understood() {
    let line = format!("{TS}: Job build completed with result: Cancelled");
    assert_eq!(out(&line), completed("build", TaskResult::Canceled));
}

#[test]
fn near_misses_mean_nothing() {
    for line in [
        " 2026-08-17 13:15:44Z: Running job: build",
        "2026-08-17T13:15:44Z: Running job: build",
        "2026-08-17 13:15:44: Running job: build",
        "2026-08-17 13:15:44Z Running job: build",
        "2026-08-17 13:15:44Z:Running job: build",
        "2026-8-17 13:15:44Z: Running job: build",
        "2026-08-17 13:15:44z: Running job: build",
        "٢026-08-17 13:15:44Z: Running job: build",
        "Running job: build",
        "Listening for Jobs",
        "2026-08-17 13:15:44Z: running job: build",
        "2026-08-17 13:15:44Z: Running jobs: build",
        "2026-08-17 13:15:44Z: Listening for jobs",
        "2026-08-17 13:15:44Z: Listening for Jobs.",
        "2026-08-17 13:15:44Z:  Listening for Jobs",
        "2026-08-17 13:15:44Z: job build",
        "2026-08-17 13:15:44Z: Runner reconnected",
        "2026-08-17 13:15:44Z: Exiting...",
        "\u{feff}2026-08-17 13:15:44Z: Running job: build",
        "Exiting",
        "Exiting....",
        "Current runner version: 2.336.0",
        "Current runner version: ''",
        "Current runner version: '2.336.0' '",
        "Current runner version: 'a name of a job'",
        "Downloading  runner",
        "Downloading a new runner",
        "√ Removed .runner_migrated",
        "last completed with result: succeeded",
        "last completed with result: Succeeded.",
        "last completed with result: ",
        "lastcompleted with result: Succeeded",
        "An error occurred: Not configured. Run config.(sh/cmd) to configure the runner.",
        "A session for this runner already exists.",
        "The runner no longer exists on the server. Please reconfigure the runner.",
        "[WORKER 2026-08-17 13:15:44Z INFO Terminal] WRITE LINE: 2026-08-17 13:15:44Z: Running job: build",
        "[WORKER 2026-08-17 13:15:44Z INFO Worker] Registration 1-2-3 was not found",
        "[RUNNER 2026-08-17 13:15:44Z INFO JobDispatcher] 2026-08-17 13:15:44Z: Running job: build",
        "[RUNNER 2026-08-17 13:15:44Z INFO Terminal]WRITE LINE: 2026-08-17 13:15:44Z: Running job: build",
        "[RUNNER 2026-08-17 13:15:44 INFO Terminal] WRITE LINE: 2026-08-17 13:15:44Z: Running job: build",
        "[RUNNER 2026-08-17 13:15:44Z Info Terminal] WRITE LINE: 2026-08-17 13:15:44Z: Running job: build",
        "[RUNNER 2026-08-17 13:15:44Z INFO  Terminal] WRITE LINE: 2026-08-17 13:15:44Z: Running job: build",
        "WRITE LINE: 2026-08-17 13:15:44Z: Running job: build",
        r#"{"jobDisplayName": "2026-08-17 13:15:44Z: Running job: build"}"#,
        r#"  "jobDisplayName": "x completed with result: Failed","#,
    ] {
        assert_eq!(out(line), None, "{line}");
    }
}

#[test]
fn near_misses_on_stderr_mean_nothing() {
    for line in [
        "2026-08-17 13:15:44Z: Running job: build",
        "2026-08-17 13:15:44Z: Job build completed with result: Failed",
        "2026-08-17 13:15:44Z: Listening for Jobs",
        "Exiting...",
        " A session for this runner already exists.",
        "a session for this runner already exists.",
        "Runner connect error: x. Retrying until reconnected.",
        "   at GitHub.Runner.Listener.Program.Main(String[] args)",
        "Unrecognized command-line input arguments for command run: 'x'. For usage refer to: .",
    ] {
        assert_eq!(err(line), None, "{line}");
    }
}

#[test]
fn the_trace_on_stdout_is_heard_as_the_terminal_it_copies() {
    let traced = |level: &str, text: &str| out(&format!("[RUNNER {TS} {level} Terminal] {text}"));
    assert_eq!(traced("INFO", &format!("WRITE LINE: {TS}: Running job: b")), started("b"));
    assert_eq!(traced("INFO", "WRITE LINE: Exiting..."), Some(RunnerEvent::Exiting));
    // Four letters wide.
    assert_eq!(
        traced("ERR ", "WRITE ERROR: A session for this runner already exists."),
        Some(RunnerEvent::SessionConflict)
    );
    assert_eq!(traced("ERR", "WRITE ERROR: A session for this runner already exists."), None);
    // Only the first line of a sentence has the words.
    assert_eq!(
        traced("INFO", "last line completed with result: Failed"),
        tail("last line", TaskResult::Failed).map(further)
    );
    assert_eq!(traced("INFO", &format!("{TS}: Running job: b")), started("b").map(further));
    assert_eq!(traced("INFO", "WRITE LINE: "), None);
    assert_eq!(
        out(&format!("[RUNNER {TS} ERR  Runner] Registration 0f0f-1 was not found.")),
        Some(RunnerEvent::Ghost(GhostCause::RegistrationNotFound))
    );
}

/// From the groups `a` and `b`.
type Meaning = fn(&str, &str) -> RunnerEvent;
type Sentences = Vec<(Regex, Meaning)>;

/// The sentences once more, as regular expressions over the whole line.
struct Reference {
    ansi: Regex,
    traced: Regex,
    other: Regex,
    ghost: Regex,
    stdout: Sentences,
    stderr: Sentences,
    tail: Regex,
}

fn result_of(word: &str) -> TaskResult {
    TaskResult::parse(word).expect("the expression admits no other")
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    const RES: &str = "(?<b>Succeeded|SucceededWithIssues|Failed|Canceled|Cancelled|Skipped|Abandoned)";
    let whole = |body: &str| {
        let body = body.replace("TS", "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}Z");
        Regex::new(&format!("(?s)^(?:{body})$")).expect("valid")
    };
    let tail =
        |name: &str, word: &str| RunnerEvent::CompletionTail { name: name.into(), result: result_of(word) };
    let stdout: Sentences = vec![
        (whole("TS: Listening for Jobs"), |_, _| RunnerEvent::Listening),
        (whole("TS: Running job:(?: (?<a>.*))?"), |a, _| RunnerEvent::JobStarted { name: a.into() }),
        (whole(&format!("TS: Job (?<a>.*) completed with result: {RES}")), |a, b| {
            RunnerEvent::JobCompleted { name: a.into(), result: result_of(b) }
        }),
        (whole(r"TS: Runner reconnected\."), |_, _| RunnerEvent::Reconnected),
        (whole(&format!("TS: (?<a>.*) completed with result: {RES}")), tail),
        (whole("TS: Job (?<a>.*)"), |a, _| RunnerEvent::CompletionHead { name: a.into() }),
        (whole(&format!("(?<a>.*) completed with result: {RES}")), tail),
        (whole("Current runner version: '(?<a>[0-9A-Za-z.+-]{1,32})'"), |a, _| {
            RunnerEvent::Version(a.into())
        }),
        (whole(r"Exiting\.\.\."), |_, _| RunnerEvent::Exiting),
        (whole(r"√ Removed \.runner"), |_, _| RunnerEvent::ConfigRemoved),
        (whole(r"Runner update in progress, do not shutdown runner\."), |_, _| {
            RunnerEvent::Update(UpdateStep::InProgress)
        }),
        (whole("Downloading (?<a>[0-9A-Za-z.+-]{1,32}) runner"), |a, _| {
            RunnerEvent::Update(UpdateStep::Downloading(a.into()))
        }),
        (whole(r"Waiting for current job finish running\."), |_, _| {
            RunnerEvent::Update(UpdateStep::WaitingForJob)
        }),
        (whole(r"Generate and execute update script\."), |_, _| RunnerEvent::Update(UpdateStep::Generating)),
        (whole("Runner will exit shortly for update.*"), |_, _| RunnerEvent::Update(UpdateStep::ExitingSoon)),
        (whole(r"Runner update process finished\."), |_, _| RunnerEvent::Update(UpdateStep::Finished)),
    ];
    let stderr: Sentences = vec![
        (whole("TS: Runner connect error: Registration .* was not found.*"), |_, _| {
            RunnerEvent::Ghost(GhostCause::RegistrationNotFound)
        }),
        (whole(r"TS: Runner connect error: (?<a>.*?)\.*(?: Retrying until reconnected\.)?"), |a, _| {
            RunnerEvent::ConnectionError { message: a.trim_end_matches('.').into() }
        }),
        (whole(r"(?:TS: )?A session for this runner already exists\..*"), |_, _| {
            RunnerEvent::SessionConflict
        }),
        (whole("(?:TS: )?Stop retry on SessionConflictException.*"), |_, _| {
            RunnerEvent::SessionConflictGaveUp
        }),
        (
            whole(r"(?:TS: )?Failed to create a session\. The runner registration has been deleted.*"),
            |_, _| RunnerEvent::Ghost(GhostCause::RegistrationDeleted),
        ),
        (whole(r"(?:TS: )?The runner no longer exists on the server\. Cleaning up.*"), |_, _| {
            RunnerEvent::Ghost(GhostCause::RemovedByServer)
        }),
        (whole("(?:TS: )?The runner no longer exists on the server.*"), |_, _| {
            RunnerEvent::Ghost(GhostCause::NotOnServer)
        }),
        (whole("(?:TS: )?The local machine's clock may be out of sync.*"), |_, _| RunnerEvent::ClockSkew),
        (whole("(?:TS: )?Runner update failed: (?<a>.*)"), |a, _| {
            RunnerEvent::Update(UpdateStep::Failed(a.into()))
        }),
        (
            whole(
                "(?:TS: )?An error occurr?ed: Runner version .*is deprecated and cannot receive messages.*",
            ),
            |_, _| RunnerEvent::VersionDeprecated,
        ),
        (whole("(?:TS: )?An error occurr?ed: Runner not found.*"), |_, _| {
            RunnerEvent::Ghost(GhostCause::NotOnServer)
        }),
        (whole("(?:TS: )?An error occurr?ed: Get next message failed with non-retryable error.*"), |_, _| {
            RunnerEvent::PollRefused
        }),
        (whole("(?:TS: )?An error occurr?ed: Registration .* was not found.*"), |_, _| {
            RunnerEvent::Ghost(GhostCause::RegistrationNotFound)
        }),
        (
            whole(
                r"(?:TS: )?(?<a>(?:An error occurr?ed: |Failed to create session\. |Fail to create and validate runner's work directory|Unhandled exception).*)",
            ),
            |a, _| RunnerEvent::Fatal { message: a.into() },
        ),
    ];
    Reference {
        ansi: Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").expect("valid"),
        traced: whole(
            r"\[RUNNER TS (?:CRIT|ERR |WARN|INFO|VERB) Terminal\] (?<a>WRITE LINE: |WRITE ERROR: |)(?<b>.*)",
        ),
        other: whole(r"\[RUNNER TS (?:CRIT|ERR |WARN|INFO|VERB) [^\]]*(?:\][^ ][^\]]*)*\] (?<b>.*)"),
        ghost: Regex::new("(?s)^.*?Registration (?<a>.*?) was not found").expect("valid"),
        stdout,
        stderr,
        tail: whole(&format!("(?:TS: )?(?<a>.*) completed with result: {RES}")),
    }
});

impl Reference {
    fn read(&self, stream: Stream, line: &[u8]) -> Option<(RunnerEvent, bool)> {
        let text = String::from_utf8_lossy(line);
        let text = self.ansi.replace_all(&text, "");
        if let Some(c) = self.traced.captures(&text) {
            let sentence = &c["b"];
            let event = match &c["a"] {
                "WRITE ERROR: " => {
                    Reference::first(std::slice::from_ref(&(self.tail.clone(), self.stdout[6].1)), sentence)
                        .or_else(|| Reference::first(&self.stderr, sentence))
                }
                "WRITE LINE: " => Reference::first(&self.stdout, sentence),
                _ => Reference::first(&self.stdout, sentence)
                    .map(|event| RunnerEvent::NameLine(Box::new(event))),
            };
            return event.map(|event| (event, true));
        }
        if let Some(c) = self.other.captures(&text) {
            let tail = Reference::first(std::slice::from_ref(&self.stdout[6]), &text);
            let id = self.ghost.captures(&c["b"]).map(|g| g["a"].len());
            let ghost = id.filter(|len| (1..=64).contains(len));
            let ghost = ghost.map(|_| RunnerEvent::Ghost(GhostCause::RegistrationNotFound));
            return tail.or(ghost).map(|event| (event, false));
        }
        let table = if stream == Stream::Stdout { &self.stdout } else { &self.stderr };
        Reference::first(table, &text).map(|event| (event, false))
    }

    fn first(table: &[(Regex, Meaning)], text: &str) -> Option<RunnerEvent> {
        let (captures, event) =
            table.iter().find_map(|(regex, event)| Some((regex.captures(text)?, event)))?;
        let group = |name| captures.name(name).map_or("", |m| m.as_str());
        Some(event(group("a"), group("b")))
    }
}

fn agrees(stream: Stream, line: &[u8]) -> Result<(), TestCaseError> {
    let ours = parse(stream, line).map(|reading| (reading.event, reading.traced));
    prop_assert_eq!(ours, REFERENCE.read(stream, line), "{}", String::from_utf8_lossy(line));
    Ok(())
}

const REAL: [&str; 27] = [
    "√ Connected to GitHub",
    "Current runner version: '2.336.0'",
    "2026-08-17 13:15:44Z: Listening for Jobs",
    "2026-08-17 13:15:44Z: Running job: caller / build (ubuntu-latest, 18)",
    "2026-08-17 13:15:44Z: Job build completed with result: SucceededWithIssues",
    "2026-08-17 13:15:44Z: Job build completed with result: Cancelled",
    "2026-08-17 13:15:44Z: Job first line",
    "last line completed with result: Failed",
    "2026-08-17 13:15:44Z: Runner reconnected.",
    "Exiting...",
    "√ Removed .runner",
    "Runner update in progress, do not shutdown runner.",
    "Downloading 2.337.0 runner",
    "Runner will exit shortly for update, should be back online within 10 seconds.",
    "[RUNNER 2026-08-17 13:15:44Z INFO Terminal] WRITE LINE: 2026-08-17 13:15:44Z: Running job: build",
    "[RUNNER 2026-08-17 13:15:44Z INFO Terminal] last line completed with result: Skipped",
    "[RUNNER 2026-08-17 13:15:44Z ERR  Terminal] WRITE ERROR: A session for this runner already exists.",
    "[RUNNER 2026-08-17 13:15:44Z ERR  MessageListener] Registration 0f0f was not found.",
    "[WORKER 2026-08-17 13:15:44Z INFO StepsRunner] Job x completed with result: Failed",
    "2026-08-17 13:15:44Z: Runner connect error: timeout. Retrying until reconnected.",
    "A session for this runner already exists.",
    "The runner no longer exists on the server. Cleaning up local configuration.",
    "An error occured: Runner not found",
    "An error occurred: Get next message failed with non-retryable error.",
    "2026-08-17 13:15:44Z: Runner connect error: Registration lab was not found.. Retrying until reconnected.",
    "An error occurred: Runner version v2.300.0 is deprecated and cannot receive messages.",
    "Runner update failed: no space",
];

const WORDS: [&str; 22] = [
    "2026-08-17 13:15:44Z",
    ": ",
    "Running job: ",
    "Job ",
    " completed with result: ",
    "Succeeded",
    "SucceededWithIssues",
    "Failed",
    "Abandoned",
    "[RUNNER ",
    "[WORKER ",
    " INFO ",
    " ERR  ",
    "Terminal",
    "] ",
    "WRITE LINE: ",
    "WRITE ERROR: ",
    "Registration ",
    " was not found",
    "\x1b[31m",
    "\x1b[",
    " ",
];

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![3 => Just(Stream::Stdout), 1 => Just(Stream::Stderr)]
}

/// Words of the runner's in any order, with anything between them.
fn composed() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
        2 => proptest::sample::select(&REAL[..]).prop_map(str::to_owned),
        1 => "[^\n]{0,6}",
    ];
    proptest::collection::vec(word, 0..8).prop_map(|words| words.concat())
}

/// A real line with a few bytes cut out, put in or turned into something else.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let cut = (any::<prop::sample::Index>(), 0_usize..3, proptest::collection::vec(any::<u8>(), 0..3));
    let edit = prop_oneof![
        3 => cut,
        1 => (any::<prop::sample::Index>(), 0_usize..1, Just(b"\x1b[0m".to_vec())),
    ];
    (proptest::sample::select(&REAL[..]), proptest::collection::vec(edit, 0..3)).prop_map(|(line, edits)| {
        let mut line = line.as_bytes().to_vec();
        for (at, cut, put) in edits {
            let at = at.index(line.len() + 1);
            let end = (at + cut).min(line.len());
            line.splice(at..end, put);
        }
        line.retain(|b| *b != b'\n');
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_two_readers_agree_on_composed_lines(stream in stream(), line in composed()) {
        agrees(stream, line.as_bytes())?;
    }

    #[test]
    fn the_two_readers_agree_on_mutated_lines(stream in stream(), line in mutated()) {
        agrees(stream, &line)?;
    }
}

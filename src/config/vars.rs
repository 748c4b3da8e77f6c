//! Variables: one row each, and nothing else to do for a new one but a field in [`super::Config`] that takes it.
//!
//! Names, aliases and their precedence, secrets and their `_FILE`, what a child does not inherit, spelling warnings
//! and the documentation are all read from these rows. The comment of a row is its help, word for word: it is on the
//! manual page too. Aliases are the names other runner images use for the same thing
//! (`myoung34/docker-github-actions-runner`, `actions-runner-controller`, `tcardonne/docker-github-runner`,
//! `SanderKnape/github-runner`, `Labbs/github-actions-exporter`), the most common first.
#![allow(clippy::doc_markdown, reason = "help is plain text")]

use super::collect::ChosenLabels;
use super::flavour::Flavour;
use super::job_events::{self, EventsUrl, host_and_port};
use super::otlp::{self, Millis, OtlpUrl, Pairs, Ratio};
use super::parsers::{
    NAME_LIMIT, PREFIX_LIMIT, account, address, app_id, base_url, buckets, cache_types, count, duration,
    flag, flavour, host, id, interval, jit, labels, limit, line, path, pattern, port, private_key,
    repository, run_as, stream, token, url_path,
};
use super::registration::RunAs;
use super::resolve::VarRow;
use super::secret::Secret;
use super::var::{Group, Reach, Var, Variable, alias};
use super::words::{LogFormat, LogLevel, OtlpCompression, OtlpExporter, OtlpProtocol, ScopeWord, SweepScope};
use crate::domain::delivery::Format;
use crate::domain::dora::{Matcher, StreamRule};
use crate::domain::otlp::Temporality;
use crate::domain::target::Host;
use crate::domain::trace::{IdRule, SamplerKind};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

const MYOUNG34: &str = "myoung34";
const ARC: &str = "ARC";
const TCARDONNE: &str = "tcardonne";
const SANDERKNAPE: &str = "SanderKnape";
const LABBS: &str = "Labbs";
const RUNNER: &str = "actions/runner";
const OURS: &str = "another name";

/// GitHub ends a self-hosted job after 5 days; 30 leave room and keep sums of durations far from overflow. In seconds.
const LONGEST: u64 = 30 * 86_400;
const HOUR: u64 = 3600;

/// Every variable without its type, in the order of the documentation, of `check` and of faults.
pub fn describe() -> &'static [Variable] {
    static ALL: LazyLock<Vec<Variable>> = LazyLock::new(|| TABLE.iter().map(|row| *row.about()).collect());
    &ALL
}

/// `[Group]`, then of each variable `/// help`, `NAME: Type = parser`, what [`Var`] may say of it, `;`.
macro_rules! vars {
    ($([$group:ident] $(
        $(#[doc = $help:literal])+
        $name:ident: $type:ty = $parser:expr $(, $option:ident($($value:expr),*))*;
    )+)+) => {
        $($(
            $(#[doc = $help])+
            pub static $name: Var<$type> =
                Var::new(Group::$group, stringify!($name), concat!($($help),+), $parser)
                    $(.$option($($value),*))*;
        )+)+

        /// Every variable, in table order.
        pub(super) static TABLE: &[&dyn VarRow] = &[$($(&$name),+),+];
    };
}

vars! {
    [Credentials]
    /// Personal access token; registration, removal and just-in-time configurations are asked for with it.
    GITHUB_TOKEN: Secret = token,
        aliases(&[
            alias("ACCESS_TOKEN", MYOUNG34),
            alias("GITHUB_ACCESS_TOKEN", TCARDONNE),
            alias("GITHUB_PAT", SANDERKNAPE),
            alias("ACTIONS_RUNNER_INPUT_PAT", RUNNER),
        ]);
    /// GitHub App, by number or client id; needs APP_PRIVATE_KEY.
    APP_ID: String = app_id, aliases(&[alias("GITHUB_APP_ID", LABBS)]);
    /// Private key of the GitHub App: PEM with line ends or `\n`, or base64 of it.
    APP_PRIVATE_KEY: Secret = private_key, quotable(), aliases(&[alias("GITHUB_APP_PRIVATE_KEY", LABBS)]);
    /// Installation of the GitHub App; found by APP_LOGIN when not set.
    APP_INSTALLATION_ID: u64 = id, aliases(&[alias("GITHUB_APP_INSTALLATION_ID", LABBS)]);
    /// Account the GitHub App is installed for; the target's owner when not set.
    APP_LOGIN: String = account;
    /// Registration token, valid for one hour: enough to register once; ignored beside a token or App.
    RUNNER_TOKEN: Secret = token, aliases(&[alias("ACTIONS_RUNNER_INPUT_TOKEN", RUNNER)]);
    /// Just-in-time configuration, as ARC's scale sets give it: nothing else is registered, the runner takes
    /// one job.
    ACTIONS_RUNNER_INPUT_JITCONFIG: Secret = jit, reaches(Reach::Listener);

    [Target]
    /// OWNER/REPOSITORY; or the repository alone, beside GITHUB_OWNER.
    GITHUB_REPOSITORY: String = repository, aliases(&[alias("RUNNER_REPO", ARC)]);
    /// Owner of GITHUB_REPOSITORY; alone it is an organisation.
    GITHUB_OWNER: String = account;
    /// Organisation.
    ORG_NAME: String = account, aliases(&[alias("RUNNER_ORG", ARC)]);
    /// Enterprise, by its slug.
    ENTERPRISE_NAME: String = account, aliases(&[alias("RUNNER_ENTERPRISE", ARC)]);
    /// URL of the repository, organisation (`/NAME`) or enterprise (`/enterprises/NAME`).
    RUNNER_URL: String = base_url,
        aliases(&[
            alias("REPO_URL", MYOUNG34),
            alias("RUNNER_REPOSITORY_URL", TCARDONNE),
            alias("RUNNER_ORGANIZATION_URL", TCARDONNE),
        ]);
    /// Which one is meant where several of the above are set.
    RUNNER_SCOPE: ScopeWord = ScopeWord::parse;
    /// The same as RUNNER_SCOPE=org, as myoung34's image once had it.
    ORG_RUNNER: bool = flag, default("false");
    /// Whose GitHub: github.com, a tenant of ghe.com, or an Enterprise Server, with port and path if need be;
    /// the host of RUNNER_URL when not set.
    GITHUB_HOST: Host = host, default("github.com"), aliases(&[alias("GITHUB_URL", ARC)]);
    /// Where the REST API begins.
    GITHUB_API_URL: String = base_url,
        rule("`https://api.HOST` for github.com and ghe.com, else `https://HOST/api/v3`");
    /// Only the host of the API, as myoung34's image has it.
    GITHUB_API_HOST: String = base_url;
    /// Only the path of the API, as myoung34's image has it; `/` is none.
    GITHUB_API_PATH: String = url_path;

    [Runner]
    /// Where the runner is installed.
    RUNNER_DIR: PathBuf = path, default("/actions-runner");
    /// The runner's name; a label of every metric. In it `{hostname}` and `{random}` stand for the hostname
    /// and 13 random characters.
    RUNNER_NAME: String = |text| line(text, NAME_LIMIT),
        rule("PREFIX-HOSTNAME, or PREFIX-RANDOM; with a just-in-time configuration the name in it"),
        reaches(Reach::Inherited);
    /// Beginning of the name when RUNNER_NAME is not set.
    RUNNER_NAME_PREFIX: String = |text| line(text, PREFIX_LIMIT),
        rule("docker-runner, in the Chrome images chrome-runner");
    /// End a name that is made up in 13 random characters instead of the hostname.
    RANDOM_RUNNER_SUFFIX: bool = flag, rule("true if there is no hostname or it is localhost, else false");
    /// The image's flavour, a label of every metric: any word of up to 32 letters, digits, `.`, `_` and `-`;
    /// ours are `standard`, `chrome` and `chrome-go`.
    RUNNER_TYPE: Flavour = flavour, default("standard"), reaches(Reach::Inherited);
    /// Custom labels, separated by commas, besides `self-hosted`, the operating system and the architecture.
    RUNNER_LABELS: Vec<String> = labels, aliases(&[alias("LABELS", MYOUNG34)]);
    /// Only the custom labels; needs RUNNER_LABELS.
    NO_DEFAULT_LABELS: bool = flag, default("false");
    /// Runner group of the organisation or enterprise; a repository has none.
    RUNNER_GROUP: String = |text| line(text, 128), aliases(&[alias("RUNNER_GROUPS", ARC)]);
    /// Where jobs are checked out.
    RUNNER_WORK_DIR: PathBuf = path,
        default("/home/runner/_work"),
        aliases(&[alias("RUNNER_WORKDIR", MYOUNG34), alias("RUNNER_WORK_DIRECTORY", TCARDONNE)]),
        reaches(Reach::Inherited);
    /// The runner takes one job and leaves; always so with a just-in-time configuration.
    RUNNER_EPHEMERAL: bool = flag, default("false"), aliases(&[alias("EPHEMERAL", MYOUNG34)]);
    /// Ask GitHub for a just-in-time configuration instead of running config.sh; needs GITHUB_TOKEN or an
    /// App.
    RUNNER_JIT: bool = flag, default("false");
    /// Take the place of a runner of the same name.
    RUNNER_REPLACE_EXISTING: bool = flag, default("true");
    /// The runner does not update itself; our images set it, since the image is the update.
    DISABLE_AUTO_UPDATE: bool = flag, default("false"), aliases(&[alias("DISABLE_RUNNER_UPDATE", ARC)]);
    /// As whom the runner runs when the container starts as root: USER or USER:GROUP, names or numbers. Where
    /// all capabilities are dropped, add KILL, SETGID and SETUID, and CHOWN for the job hooks.
    RUNNER_USER: RunAs = run_as;
    /// Let the runner, and with it every job, run as root; without it, root with no RUNNER_USER is refused.
    RUNNER_ALLOW_RUNASROOT: bool = flag, default("false"), reaches(Reach::Runner);
    /// How long to wait for the Docker daemon before the runner is started.
    RUNNER_WAIT_FOR_DOCKER_IN_SECONDS: Duration = |text| duration(text, 0..=LONGEST),
        default("0s"),
        aliases(&[alias("WAIT_FOR_DOCKER_SECONDS", ARC)]),
        reaches(Reach::Runner);
    /// Bring the system's certificate store up to date before the runner is started. The store must hold at
    /// least one authority already.
    RUNNER_UPDATE_CA_CERTS: bool = flag, default("false"), reaches(Reach::Runner);
    /// Run what RUNNER_DIR is configured for already, register and remove nothing.
    RUNNER_SKIP_REGISTRATION: bool = flag, default("false");
    /// Let the runner print its trace to stdout as well (ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT=1).
    RUNNER_PRINT_LOG: bool = flag, default("false");
    /// End the processes a job left behind once it has ended, and remove the temporary files of a killed
    /// worker and the containers and network it left on the Docker Engine. A step keeps a daemon by starting
    /// it with RUNNER_TRACKING_ID="". all, for a container where runner-init is PID 1, ends whatever was started
    /// since the runner was and is not the runner's, with an id or without.
    RUNNER_SWEEP: SweepScope = SweepScope::parse, default("true");
    /// How many MiB of the runner's logs may stay in _diag, looked at after each job; the oldest go first. 0
    /// sets no limit.
    RUNNER_DIAG_MAX_MB: usize = |text| count(text, 0), default("256");
    /// Add a summary of each job to its run's page on GitHub: how long it waited and ran, what it used of
    /// processors, memory, disk and caches. Puts a job-completed hook of ours before yours.
    RUNNER_JOB_SUMMARY: bool = flag, default("false");

    [Lifecycle]
    /// How long the orchestrator waits between TERM and KILL; everything we do at a stop fits into it, GitHub
    /// is told of a job that we end.
    RUNNER_STOP_GRACE: Duration = |text| duration(text, 0..=LONGEST), default("10s");
    /// How long a running job may go on after TERM.
    RUNNER_DRAIN_TIMEOUT: Duration = |text| duration(text, 0..=LONGEST),
        rule("what RUNNER_STOP_GRACE leaves"),
        aliases(&[alias("RUNNER_GRACEFUL_STOP_TIMEOUT", ARC)]);
    /// How long a runner that takes one job waits for it; then it is removed at GitHub and leaves with 0. 0 waits
    /// for ever. Needs RUNNER_EPHEMERAL or a just-in-time configuration.
    RUNNER_IDLE_TIMEOUT: Duration = |text| interval(text, 1..=LONGEST), default("0s");
    /// Consecutive restarts without a session before giving up; 0 never restarts.
    RUNNER_MAX_RESTARTS: Option<u32> = limit, default("10");
    /// Leave the registration behind when the runner leaves, for the next start with the same RUNNER_DIR.
    DISABLE_AUTOMATIC_DEREGISTRATION: bool = flag, default("false");
    /// How often to ask GitHub what it thinks of this idle runner; 0 never asks. Needs a credential that can
    /// ask.
    RUNNER_STATUS_CHECK_INTERVAL: Duration = |text| interval(text, 10..=86_400), default("10m");

    [Metrics]
    /// Serve the HTTP endpoint.
    METRICS_ENABLED: bool = flag, default("true");
    /// The endpoint's port; 0 takes any free one.
    METRICS_PORT: u16 = port, default("9091");
    /// The endpoint's address; :: listens on IPv6.
    METRICS_BIND: IpAddr = address, default("0.0.0.0");
    /// Bearer token that guards everything but /livez.
    METRICS_AUTH_TOKEN: Secret = token;
    /// How old a sample of the sampled metrics may be: a scrape that finds it older takes a new one. While a job runs, and where
    /// metrics are pushed, one is taken this often.
    METRICS_UPDATE_INTERVAL: Duration = |text| duration(text, 1..=HOUR), default("30s");
    /// How long to stay, once the runner has left by itself, for a last scrape.
    METRICS_LINGER_SECONDS: Duration = |text| duration(text, 0..=HOUR), default("0s");
    /// Upper bounds of the job duration histogram, in seconds.
    JOB_DURATION_BUCKETS: Vec<f64> = buckets, default("10,30,60,120,300,600,1200,1800,3600,7200,14400,21600");
    /// Types jobs may report with `runner-init cache` besides the built-in ones, at most 8; each is up to 4
    /// more series, which are there from the start, as are those of a built-in one named here.
    CACHE_TYPES: Vec<String> = cache_types;
    /// Which steps of jobs have a duration among the metrics, besides the set-up and the post steps: a regular
    /// expression looked for in a step's name. The name, or what the first group has found, is a label, at most 16
    /// of them, then other; each is 6 more series.
    STEP_METRICS_MATCH: Matcher = pattern;

    [OpenTelemetry]
    /// Send metrics and traces by OTLP to the receiver at this address: `/v1/metrics` and `/v1/traces` are added.
    /// Off unless it, or one of the next two, is set. Jobs inherit none of the variables of this section.
    OTEL_EXPORTER_OTLP_ENDPOINT: OtlpUrl = OtlpUrl::parse;
    /// The same for metrics alone, with its path.
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: OtlpUrl = OtlpUrl::parse;
    /// The same for traces alone, with its path.
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: OtlpUrl = OtlpUrl::parse;
    /// Headers of each request, NAME=VALUE separated by commas, values percent-encoded: a key, mostly.
    OTEL_EXPORTER_OTLP_HEADERS: Secret = otlp::headers;
    /// The same for metrics alone, instead.
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: Secret = otlp::headers;
    /// The same for traces alone, instead.
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: Secret = otlp::headers;
    /// How many milliseconds one request may take.
    OTEL_EXPORTER_OTLP_TIMEOUT: Millis = Millis::parse, default("10000");
    /// The same for metrics alone.
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: Millis = Millis::parse;
    /// The same for traces alone.
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: Millis = Millis::parse;
    /// Whether requests are compressed.
    OTEL_EXPORTER_OTLP_COMPRESSION: OtlpCompression = OtlpCompression::parse, default("none");
    /// The same for metrics alone.
    OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: OtlpCompression = OtlpCompression::parse;
    /// The same for traces alone.
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: OtlpCompression = OtlpCompression::parse;
    /// PEM file of the authorities to trust there, instead of the system's.
    OTEL_EXPORTER_OTLP_CERTIFICATE: PathBuf = path;
    /// The same for metrics alone.
    OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: PathBuf = path;
    /// The same for traces alone.
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: PathBuf = path;
    /// In which form; only http/protobuf is spoken, with another nothing is sent.
    OTEL_EXPORTER_OTLP_PROTOCOL: OtlpProtocol = OtlpProtocol::parse, default("http/protobuf");
    /// The same for metrics alone.
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: OtlpProtocol = OtlpProtocol::parse;
    /// The same for traces alone.
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: OtlpProtocol = OtlpProtocol::parse;
    /// Which counts are told as what is new since the last export.
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: Temporality = otlp::temporality, default("cumulative");
    /// Whether metrics are pushed; when not set, they are where an endpoint is. otlp without an endpoint means port 4318
    /// of this machine.
    OTEL_METRICS_EXPORTER: OtlpExporter = OtlpExporter::parse;
    /// Milliseconds from one export to the next.
    OTEL_METRIC_EXPORT_INTERVAL: Millis = Millis::parse, default("60000");
    /// Whether the trace of each job is sent when it ends; when not set, it is where an endpoint is. otlp without
    /// an endpoint means port 4318 of this machine.
    OTEL_TRACES_EXPORTER: OtlpExporter = OtlpExporter::parse;
    /// Which traces are sent. The parent is the span of the run, which others send: what they decided is not known,
    /// so that with parentbased_ or without is the same.
    OTEL_TRACES_SAMPLER: SamplerKind = otlp::sampler, default("parentbased_always_on");
    /// Which share of them with traceidratio, from 0 to 1: a run's jobs are all sent, or none of them.
    OTEL_TRACES_SAMPLER_ARG: Ratio = Ratio::parse, default("1");
    /// What the ids of spans are made from: check_run as the collector's githubreceiver does since 0.151, run_attempt
    /// as it did before, or does with its gate UseCheckRunID off.
    RUNNER_TRACE_IDS: IdRule = otlp::ids, default("check_run");
    /// Tell each job its trace: TRACEPARENT in the environment of its steps.
    RUNNER_TRACEPARENT: bool = flag, default("false");
    /// Tell them with it where their own telemetry may go: they have this as OTEL_EXPORTER_OTLP_ENDPOINT.
    RUNNER_TRACEPARENT_ENDPOINT: OtlpUrl = OtlpUrl::parse;
    /// What is said of the runner beside its metrics and traces, KEY=VALUE separated by commas, values percent-encoded.
    OTEL_RESOURCE_ATTRIBUTES: Pairs = Pairs::parse;
    /// The attribute service.name, which Prometheus makes the job; when not set, that of
    /// OTEL_RESOURCE_ATTRIBUTES, else github-runners.
    OTEL_SERVICE_NAME: String = |text| line(text, 256);
    /// Send nothing by OTLP, whatever else is set.
    OTEL_SDK_DISABLED: bool = flag, default("false");

    [Dora]
    /// Which jobs are deployments: a regular expression looked for in workflow/job name.
    DORA_DEPLOYMENT_MATCH: Matcher = pattern, default("(?i)deploy|release|publish");
    /// Of which branches: a regular expression looked for in the branch, or in the whole ref of a tag
    /// (refs/tags/v1).
    DORA_BRANCH_MATCH: Matcher = pattern;
    /// For a workflow that deploys several services: which deployments follow one another, by what a group of a
    /// regular expression finds in the job name, or with job by all of it.
    DORA_STREAM: StreamRule = stream;

    [JobLog]
    /// What survives a restart.
    RUNNER_STATE_DIR: PathBuf = path, default("/var/lib/runner-init");
    /// The job log.
    JOBS_LOG: PathBuf = path, rule("$RUNNER_STATE_DIR/jobs.log");
    /// Rows after which the job log is compacted.
    JOBS_LOG_MAX_RECORDS: usize = |text| count(text, 100), default("10000");
    /// Directory for the supervisor's sockets.
    RUNNER_RUN_DIR: PathBuf = path;

    [JobEvents]
    /// Where the row of each finished job is posted: the address of a collector (`runner-init collect`), or
    /// of whoever takes one of the other formats. What was not taken waits in the job log.
    JOB_EVENTS_URL: EventsUrl = EventsUrl::parse, aliases(&[alias("METRICS_PUSH_URL", OURS)]);
    /// What is posted there: what a collector takes; a row a line; an array of rows; what
    /// `/api/v1/import` of VictoriaMetrics takes; what Loki takes. json when not set.
    JOB_EVENTS_FORMAT: Format = job_events::format;
    /// Bearer token for JOB_EVENTS_URL.
    JOB_EVENTS_TOKEN: Secret = token;
    /// How long a runner that leaves by itself waits for its last rows to be taken, 10s when not set; at a
    /// stop it is at most 2 seconds of the grace.
    JOB_EVENTS_WAIT: Duration = |text| duration(text, 0..=HOUR);
    /// HOST:PORT at which Prometheus can scrape this runner, for the collector's service discovery; the
    /// address that the collector sees and METRICS_PORT when not set.
    METRICS_ADVERTISE: String = host_and_port;

    [Collect]
    /// By which labels a collector tells jobs apart: none, or some of runner_type, repository and workflow;
    /// runner_type when not set.
    COLLECT_LABELS: ChosenLabels = ChosenLabels::parse;
    /// Combinations of these labels that have series of their own, 100 when not set; what comes later is
    /// counted with the value other.
    COLLECT_MAX_LABEL_SETS: usize = |text| count(text, 1);
    /// Bearer token that a collector wants from whoever sends it rows; a runner has it as JOB_EVENTS_TOKEN.
    COLLECT_TOKEN: Secret = token;

    [Log]
    /// How our own log lines look.
    LOG_FORMAT: LogFormat = LogFormat::parse, default("logfmt");
    /// Which of our own log lines appear.
    LOG_LEVEL: LogLevel = LogLevel::parse, default("info");
}

#[cfg(test)]
mod tests {
    use super::super::var::Fallback;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_is_given_twice() {
        let mut seen = HashSet::new();
        for name in describe().iter().flat_map(Variable::names) {
            assert!(seen.insert(name), "{name} stands twice in the table");
        }
    }

    #[test]
    fn every_default_is_a_value_its_own_parser_accepts_and_spells_the_same() {
        for row in TABLE {
            let Variable { name, fallback: Fallback::Value(text), .. } = row.about() else { continue };
            assert_eq!(row.parse(text).expect(name).shown(), *text, "{name}");
        }
    }

    #[test]
    fn groups_stand_together() {
        let mut groups: Vec<Group> = describe().iter().map(|v| v.group).collect();
        groups.dedup();
        assert_eq!(
            groups,
            [
                Group::Credentials,
                Group::Target,
                Group::Runner,
                Group::Lifecycle,
                Group::Metrics,
                Group::OpenTelemetry,
                Group::Dora,
                Group::JobLog,
                Group::JobEvents,
                Group::Collect,
                Group::Log
            ]
        );
    }
}

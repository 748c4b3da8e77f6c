//! The API is what its document says, in both directions: what is answered fits it, and what it names is answered.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/demo.rs"]
mod demo;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/page.rs"]
mod page;
#[path = "support/wire.rs"]
mod wire;

use demo::Demo;
use jsonschema::Validator;
use nix::sys::signal::Signal;
use ns::wait_until;
use runner_init::domain::event::GhostCause;
use runner_init::domain::record::JobStatus;
use runner_init::domain::status::State;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use wire::{Reply, Wire};

const DOCUMENT: &str = "/api/v1/openapi.json";
/// The back-off of the demo's listener is real time.
const SHOW: Duration = Duration::from_secs(120);
/// One version: another could find other things.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// The document as this runner serves it.
struct Contract(Value);

impl Contract {
    fn of(address: &str) -> Contract {
        let reply = wire::get(address, DOCUMENT, "").unwrap();
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        Contract(reply.json())
    }

    fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"))
    }

    fn paths(&self) -> BTreeSet<&str> {
        self.at("/paths").as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// A schema of the document's, on its own.
    fn validator(&self, schema: &Value) -> Validator {
        let whole = json!({ "allOf": [schema], "components": self.at("/components") });
        jsonschema::draft202012::options().should_validate_formats(true).build(&whole).unwrap()
    }

    /// Why `body` is not what this schema describes; nothing if it is.
    fn faults(&self, schema: &Value, body: &Value) -> Vec<String> {
        let validator = self.validator(schema);
        validator.iter_errors(body).map(|e| format!("{}: {e}", e.instance_path())).collect()
    }

    fn component(&self, name: &str) -> Validator {
        self.validator(&json!({ "$ref": format!("#/components/schemas/{name}") }))
    }

    /// Holds an answer of `path` to the document.
    #[track_caller]
    fn hold(&self, path: &str, reply: &Reply) {
        let escaped = path.split('?').next().unwrap().replace('/', "~1");
        let responses = self.at(&format!("/paths/{escaped}/get/responses"));
        let known = responses.get(reply.status.to_string());
        let known = known.unwrap_or_else(|| panic!("{path}: {} is not documented", reply.status));
        let known = known["$ref"].as_str().map_or(known, |at| self.at(at.strip_prefix('#').unwrap()));
        for (name, header) in known["headers"].as_object().into_iter().flatten() {
            let value = reply.header(&name.to_ascii_lowercase()).map(Value::from).unwrap_or_default();
            assert_eq!(self.faults(&header["schema"], &value), [""; 0], "{path}: {name}");
        }
        let (kind, content) = known["content"].as_object().unwrap().iter().next().unwrap();
        let told = reply.header("content-type").unwrap_or_default();
        assert_eq!(told.split(';').next(), Some(kind.as_str()), "{path}");
        let body = if kind == "application/json" { reply.json() } else { reply.text().into() };
        assert_eq!(self.faults(&content["schema"], &body), [""; 0], "{path}: {body}");
    }
}

fn ask(address: &str, request: &str) -> Reply {
    let mut wire = Wire::to(address).unwrap();
    wire.send(request).unwrap();
    wire.answer(false).unwrap()
}

/// Three jobs and no more: a demo that is stopped just when its listener dies leaves with its code.
fn short_demo(env: &[(&str, &str)]) -> Demo {
    Demo::start(&["--speed", "10", "--jobs", "3"], &[&[("METRICS_PORT", "0")], env].concat())
}

fn status(address: &str) -> std::io::Result<Reply> {
    wire::get(address, "/api/v1/status", "")
}

/// Looks at the status, and at everything whenever it says what it has not said before. `false` if nobody answers.
fn look(contract: &Contract, address: &str, seen: &mut BTreeSet<String>) -> bool {
    std::thread::sleep(Duration::from_millis(2));
    let Ok(reply) = status(address) else { return false };
    let body = reply.json();
    let told = body.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    let told: Vec<&str> = told.map(|(name, _)| name.as_str()).collect();
    if !seen.insert(format!("{},{}", body["state"].as_str().unwrap(), told.join(","))) {
        return true;
    }
    contract.hold("/api/v1/status", &reply);
    contract.paths().into_iter().all(|path| {
        let reply = wire::get(address, path, "");
        reply.inspect(|reply| contract.hold(path, reply)).is_ok()
    })
}

#[test]
fn every_answer_of_a_day_fits_its_schema() {
    let demo = Demo::start(&["--speed", "4"], &[("METRICS_PORT", "0")]);
    let (contract, address) = (Contract::of(&demo.address), demo.address.as_str());
    let mut seen = BTreeSet::new();
    let has =
        |seen: &BTreeSet<String>, word: &str| seen.iter().any(|told| told.split(',').any(|w| w == word));
    let wanted = ["idle", "busy", "disconnected", "backoff", "launch_due", "job", "runner_version"];
    let began = Instant::now();
    while !wanted.iter().all(|word| has(&seen, word)) {
        assert!(look(&contract, address, &mut seen) && began.elapsed() < SHOW, "{seen:#?}");
    }
    let mut running = Value::Null;
    wait_until(SHOW, "a job that has just begun", || {
        running = status(address).unwrap().json();
        running["job"]["running_seconds"].as_f64().is_some_and(|seconds| seconds < 0.2)
    });
    let jobs = wire::get(address, "/api/v1/jobs", "").unwrap().json();
    let path = format!("/api/v1/jobs/{}", jobs["jobs"][0]["job_id"].as_str().unwrap());
    let one = wire::get(address, &path, "").unwrap();
    assert_eq!((one.status, &one.json()["job"]["job_id"]), (200, &jobs["jobs"][0]["job_id"]));
    contract.hold("/api/v1/jobs/{id}", &one);
    ns::send(demo.tree.pid(), Signal::SIGTERM);
    while look(&contract, address, &mut seen) {}
    assert!(has(&seen, "draining") && has(&seen, "leave_by"), "{seen:#?}");
    let pid = demo.tree.pid();
    demo.end(pid);
    assert_planted_faults_are_seen(
        &contract.component("Status"),
        &running,
        &["", "/ready", "/healthy", "/job"],
    );
    assert_planted_faults_are_seen(&contract.component("Jobs"), &jobs, &["", "/jobs/0"]);
    assert_planted_faults_are_seen(&contract.component("JobWithSteps"), &one.json(), &["", "/job"]);
}

/// A validator that finds nothing must find what was put in, or left out.
fn assert_planted_faults_are_seen(validator: &Validator, body: &Value, objects: &[&str]) {
    assert!(validator.is_valid(body), "{body}");
    for object in objects {
        let fits = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut body = body.clone();
            change(body.pointer_mut(object).unwrap().as_object_mut().unwrap());
            validator.is_valid(&body)
        };
        assert!(!fits(&|fields| drop(fields.insert("more".into(), json!(1)))), "{object}");
        for name in body.pointer(object).unwrap().as_object().unwrap().keys() {
            assert!(!fits(&|fields| drop(fields.remove(name))), "{object}/{name}");
            assert!(!fits(&|fields| drop(fields.insert(name.clone(), json!([{}])))), "{object}/{name}");
        }
    }
}

#[test]
fn every_refusal_fits_too() {
    let demo = short_demo(&[("METRICS_AUTH_TOKEN", "sesame")]);
    let address = demo.address.as_str();
    let with = |path: &str| wire::get(address, path, "Authorization: Bearer sesame\r\n").unwrap();
    assert_eq!(wire::get(address, DOCUMENT, "").unwrap().status, 401);
    let contract = Contract(with(DOCUMENT).json());
    let mut codes = BTreeSet::new();
    let mut hold = |path: &str, reply: &Reply, want: &[u16]| {
        assert!(want.contains(&reply.status), "{path}: {}", reply.status);
        contract.hold(path, reply);
        codes.insert(reply.status);
    };
    for path in contract.paths() {
        // Not ready, for a moment, is an answer.
        let without = if path == "/livez" { 200 } else { 401 };
        hold(path, &wire::get(address, path, "").unwrap(), &[without]);
        let answers: &[u16] = if path.ends_with("{id}") { &[404] } else { &[200, 503] };
        hold(path, &with(path), answers);
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            hold(path, &ask(address, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n")), &[405]);
        }
        let long = format!("{path}?{}", "x".repeat(2049));
        hold(&long, &with(&long), &[414]);
        let large = format!("GET {path} HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(8200));
        hold(path, &ask(address, &large), &[431]);
    }
    for path in ["/jobs/{id}", "/api/v1/jobs/{id}"] {
        let odd = format!("{path}?started_at=yesterday");
        hold(&odd, &with(&odd), &[400]);
    }
    for query in ["limit=0", "limit=51", "limit=x", "status=total", "since=yesterday", "page=2"] {
        hold("/api/v1/jobs", &with(&format!("/api/v1/jobs?{query}")), &[400]);
    }
    assert!([400, 401, 405, 414, 431].iter().all(|code| codes.contains(code)), "{codes:?}");
    let pid = demo.tree.pid();
    demo.end(pid);
}

fn written(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The document as it lies in the source.
fn source() -> Contract {
    Contract(serde_json::from_str(&written("src/http/openapi.json")).unwrap())
}

#[test]
fn the_document_names_every_route_field_and_word() {
    let contract = source();
    let code = written("src/http.rs");
    let routes: BTreeSet<&str> =
        code.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(contract.paths(), routes);
    let objects = contract.at("/components/schemas").as_object().unwrap();
    for (name, schema) in objects.iter().filter(|(_, schema)| schema["type"] == "object") {
        let fields: BTreeSet<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let required: BTreeSet<&str> =
            schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!((fields, &schema["additionalProperties"]), (required, &json!(false)), "{name}");
    }
    let words = |pointer: &str| contract.at(&format!("/components/schemas/{pointer}/enum")).clone();
    assert_eq!(words("State"), json!(State::ALL.map(State::as_str)));
    assert_eq!(words("JobStatus"), json!(JobStatus::ALL.map(JobStatus::as_str)));
    let ghosts = GhostCause::ALL.map(|cause| Some(cause.as_str()));
    assert_eq!(words("Status/properties/ghost"), json!([&ghosts[..], &[None]].concat()));
}

#[test]
fn the_page_names_every_path_parameter_and_code() {
    let (contract, page) = (source(), written("docs/API.md"));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    let is_row =
        |word: &str| rows.iter().any(|row| row.split('|').nth(1).is_some_and(|cell| cell.contains(word)));
    for path in contract.paths() {
        assert!(rows.iter().any(|row| row.starts_with(&format!("| `{path}` |"))), "{path}");
        let get = contract.at(&format!("/paths/{}/get", path.replace('/', "~1")));
        for parameter in get["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(is_row(&format!("`{name}`")), "{name}");
        }
        for code in get["responses"].as_object().unwrap().keys().filter(|code| *code != "200") {
            assert!(is_row(code), "{code}");
        }
    }
}

/// What stands in fences of this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_of_the_page_runs() {
    require!("bash", "curl", "jq");
    let demo = short_demo(&[]);
    wait_until(SHOW, "a job that failed", || demo.jobs("failed") >= 1.0);
    let page = written("docs/API.md");
    let examples = blocks(&page, "sh");
    assert!(examples.len() >= 6, "{}", examples.len());
    for example in examples {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", example]).env("RUNNER", format!("http://{}", demo.address));
        let output = command.env("NO_PROXY", "*").output().unwrap();
        // Waiting for readiness, curl says on stderr what it tries again.
        assert!(output.status.success(), "{example}\n{output:?}");
        let is_quiet = example.starts_with("RUNNER=") || example.contains("-o /dev/null");
        assert_eq!(output.stdout.is_empty(), is_quiet, "{example}");
    }
    let pid = demo.tree.pid();
    demo.end(pid);
}

/// The fuzzer, installed once below `target/`; `None` if it cannot be had.
fn schemathesis() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let program = dir.join("bin/schemathesis");
    let run = |program: &Path, args: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg("120").arg(program).args(args).output().is_ok_and(|output| output.status.success())
    };
    let is_there = || run(&program, &["--version"]);
    let install = || {
        run(Path::new("python3"), &["-m", "venv", dir.to_str()?])
            .then(|| run(&dir.join("bin/pip"), &["install", "--quiet", SCHEMATHESIS]))
    };
    (is_there() || (install() == Some(true) && is_there())).then_some(program)
}

#[test]
fn a_fuzzer_that_has_read_the_document_finds_nothing() {
    require!("python3", "timeout");
    let Some(program) = schemathesis() else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "cannot run in CI: {SCHEMATHESIS} cannot be installed"
        );
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {SCHEMATHESIS} cannot be installed ***\n");
        return;
    };
    let demo = short_demo(&[("METRICS_AUTH_TOKEN", "sesame")]);
    wait_until(SHOW, "some jobs", || {
        let jobs = wire::get(&demo.address, "/api/v1/jobs", "Authorization: Bearer sesame\r\n").unwrap();
        jobs.json()["jobs"].as_array().unwrap().len() >= 3
    });
    let home = tempfile::tempdir().unwrap();
    let url = format!("http://{}{DOCUMENT}", demo.address);
    // A request that is also too long is refused for that: the tool does not know it of itself.
    let refusals = "[checks]\nnegative_data_rejection.expected-statuses = [400, 401, 404, 405, 414, 431]\n";
    std::fs::write(home.path().join("schemathesis.toml"), refusals).unwrap();
    let began = Instant::now();
    let mut command = Command::new(program);
    command.args(["run", url.as_str(), "--header", "Authorization: Bearer sesame", "--max-time", "12"]);
    // 503 is what the health paths say; any other server error is not documented.
    command.args(["--checks", "all", "--exclude-checks", "not_a_server_error", "--generation-deterministic"]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "50", "--no-color"]);
    let output = command.current_dir(home.path()).env("NO_PROXY", "*").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    eprintln!("{:?}\n{said}", began.elapsed());
    assert!(output.status.success(), "{said}");
    assert!(said.contains("No issues found"), "{said}");
    let pid = demo.tree.pid();
    demo.end(pid);
}

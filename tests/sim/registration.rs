//! `configure` and `remove`: files, texts and exit codes.

use crate::harness::Root;
use base64::Engine;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const ARGS: [&str; 8] =
    ["./config.sh", "--unattended", "--url", "https://github.com/o/r", "--token", "T", "--name", "n1"];

fn unconfigured(scenario: Value) -> Root {
    let root = Root::new(scenario);
    for name in [".runner", ".credentials", ".credentials_rsaparams"] {
        fs::remove_file(root.path(name)).unwrap();
    }
    root
}

#[test]
fn an_installed_root_is_configured_as_the_real_one() {
    let root = Root::new(json!({ "ephemeral": true }));
    let text = root.text(".runner");
    let registration: Value =
        serde_json::from_str(text.strip_prefix('\u{feff}').expect("a byte order mark")).unwrap();
    assert_eq!(registration["ephemeral"], json!(true));
    assert!(registration["agentName"].is_string() && registration["gitHubUrl"].is_string(), "{registration}");
    let mode = fs::metadata(root.path(".credentials_rsaparams")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn configure_registers_once_and_remove_takes_it_back() {
    let root = unconfigured(json!({}));
    let (code, out, err) = root.call(&[&ARGS[..], &["--ephemeral", "--replace"]].concat(), &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in
        ["# Authentication", "√ Connected to GitHub", "√ Runner successfully added", "√ Settings Saved."]
    {
        assert!(out.lines().any(|seen| seen == line), "{out}");
    }
    let text = root.text(".runner");
    assert!(text.contains("\"agentName\": \"n1\"") && text.contains("\"ephemeral\": true"), "{text}");
    let (code, _, err) = root.call(&ARGS, &[]);
    assert_eq!(code, 1);
    assert!(err.starts_with("Cannot configure the runner because it is already configured."), "{err}");
    let (code, out, _) = root.call(&["./config.sh", "remove", "--token", "T"], &[]);
    assert_eq!(code, 0);
    assert!(
        out.ends_with("√ Runner removed successfully\n√ Removed .credentials\n√ Removed .runner\n"),
        "{out}"
    );
    assert!(!root.path(".runner").exists());
    let (code, out, _) = root.call(&["./config.sh", "remove", "--token", "T"], &[]);
    assert_eq!((code, out.matches("Does not exist. Skipping Removing .").count()), (0, 2));
}

#[test]
fn refusals_are_told_on_stderr_and_come_in_the_scenario_s_order() {
    let outcomes = ["bad_token", "unreachable", "no_group", "duplicate_name", "ok"];
    let calls: Vec<Value> = outcomes.iter().map(|outcome| json!({ "outcome": outcome })).collect();
    let root = unconfigured(json!({ "configure": calls, "remove": [{ "fails": true }, {}] }));
    for text in ["404 (Not Found).", "(api.github.com:443)", "group named \"Default\"", "same name n1."] {
        let (code, _, err) = root.call(&ARGS, &[]);
        assert_eq!(code, 1);
        assert!(err.contains(text), "{err}");
    }
    assert_eq!(root.call(&ARGS, &[]).0, 0);
    let remove = ["./config.sh", "remove", "--token", "T"];
    assert_eq!(root.call(&remove, &[]).0, 1);
    assert!(root.path(".runner").exists());
    assert_eq!(root.call(&remove, &[]).0, 0);
}

#[test]
fn a_missing_value_ends_an_unattended_configuration() {
    let root = unconfigured(json!({}));
    let (code, _, err) = root.call(&["./config.sh", "--unattended", "--url", "u"], &[]);
    assert_eq!(code, 1);
    assert!(err.contains("Invalid configuration provided for token."), "{err}");
    let inputs = [("ACTIONS_RUNNER_INPUT_URL", "u"), ("ACTIONS_RUNNER_INPUT_TOKEN", "t")];
    assert_eq!(root.call(&["./config.sh", "--unattended"], &inputs).0, 0);
}

#[test]
fn a_jit_configuration_is_unpacked_and_read_whatever_its_keys_look_like() {
    let root = unconfigured(json!({ "speed": 20, "launches": [{ "steps": [{ "job": {} }] }] }));
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let runner = encode(r#"{"AgentId":"7","AgentName":"jit","Ephemeral":"True","WorkFolder":"_w"}"#);
    let files =
        json!({ ".runner": runner, ".credentials": encode("{}"), ".credentials_rsaparams": encode("{}") });
    let mut listener = root.run_with(&["--jitconfig", &encode(&files.to_string())], &[]);
    assert_eq!(listener.code(), 0, "it is ephemeral");
    assert!(root.path("_w/_temp").exists() && !root.path(".runner").exists());
    let mut broken = root.run_with(&[], &[("ACTIONS_RUNNER_INPUT_JITCONFIG", "!!")]);
    assert_eq!((broken.code(), broken.stderr().len()), (1, 1));
}

#[test]
fn calls_are_recorded_when_the_scenario_asks_for_it() {
    let root = Root::new(json!({ "record_calls": true }));
    root.call(&["bin/Runner.Listener", "--version"], &[("COLOUR", "red")]);
    let call: Value = serde_json::from_str(root.text("sim-calls.jsonl").trim()).unwrap();
    assert_eq!(call["argv"], json!(["--version"]));
    assert_eq!(call["env"]["COLOUR"], json!("red"));
    assert!(call["SigIgn"].is_u64() && call["pid"].is_u64());
}

//! `configure` and `remove`: the files of a registration come and go as with the real `ConfigurationManager`.

use super::clock::Pace;
use super::environment::Environment;
use super::options::Options;
use super::scenario::{ConfigureOutcome, Scenario};
use super::state::State;
use super::terminal::{Stream, Terminal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BOM: &str = "\u{feff}";
const ALREADY: &str = "Cannot configure the runner because it is already configured. To reconfigure the runner, run \
                       'config.cmd remove' or './config.sh remove' first.";
const BANNER: &str = r"
--------------------------------------------------------------------------------
|        ____ _ _   _   _       _          _        _   _                      |
|       / ___(_) |_| | | |_   _| |__      / \   ___| |_(_) ___  _ __  ___      |
|      | |  _| | __| |_| | | | | '_ \    / _ \ / __| __| |/ _ \| '_ \/ __|     |
|      | |_| | | |_|  _  | |_| | |_) |  / ___ \ (__| |_| | (_) | | | \__ \     |
|       \____|_|\__|_| |_|\__,_|_.__/  /_/   \_\___|\__|_|\___/|_| |_|___/     |
|                                                                              |
|                       Self-hosted runner registration                        |
|                                                                              |
--------------------------------------------------------------------------------";

/// The `.runner` file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Registration {
    agent_id: u64,
    pub(crate) agent_name: String,
    pool_id: u64,
    pool_name: String,
    server_url: String,
    git_hub_url: String,
    pub(crate) work_folder: String,
    pub(crate) ephemeral: bool,
    disable_update: bool,
    #[serde(rename = "useV2Flow")]
    use_v2_flow: bool,
    #[serde(rename = "serverUrlV2")]
    server_url_v2: String,
}

impl Default for Registration {
    fn default() -> Self {
        Registration {
            agent_id: 21,
            agent_name: "simulated".into(),
            pool_id: 1,
            pool_name: "Default".into(),
            server_url: "https://pipelines.actions.example/".into(),
            git_hub_url: "https://github.com/octo-org/widgets".into(),
            work_folder: "_work".into(),
            ephemeral: false,
            disable_update: true,
            use_v2_flow: true,
            server_url_v2: "https://broker.actions.example/".into(),
        }
    }
}

impl Registration {
    /// One that is like every other but for this.
    pub(crate) fn of_kind(ephemeral: bool) -> Registration {
        Registration { ephemeral, ..Registration::default() }
    }

    /// Writes the three files, with a byte order mark where the runner writes one.
    ///
    /// # Errors
    /// If one cannot be written.
    pub(crate) fn save(&self, root: &Path) -> io::Result<()> {
        let pretty = |value: &Value| serde_json::to_string_pretty(value).map(|text| format!("{BOM}{text}"));
        let mut fields = serde_json::to_value(self)?;
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("isHostedServer".into(), Value::Bool(false));
            // These are there only if they are true.
            fields.retain(|key, value| {
                !(matches!(key.as_str(), "ephemeral" | "disableUpdate") && *value == false)
            });
        }
        fs::write(root.join(".runner"), pretty(&fields)?)?;
        let credentials = json!({
            "scheme": "OAuth",
            "data": {
                "clientId": "00000000-0000-0000-0000-000000000021",
                "authorizationUrl": "https://tokens.actions.example/_apis/oauth2/token",
            },
        });
        fs::write(root.join(".credentials"), pretty(&credentials)?)?;
        let key = root.join(".credentials_rsaparams");
        fs::write(&key, r#"{"d":"simulated","exponent":"AQAB","modulus":"simulated"}"#)?;
        fs::set_permissions(key, fs::Permissions::from_mode(0o600))
    }

    /// Reads `.runner`: keys in any case, booleans also as text, as a JIT configuration may have them; `None` if there
    /// is no such file.
    ///
    /// # Errors
    /// If the file is there but is not a JSON object of these fields.
    pub(crate) fn load(root: &Path) -> io::Result<Option<Registration>> {
        let text = match fs::read_to_string(root.join(".runner")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let given: serde_json::Map<String, Value> = serde_json::from_str(text.trim_start_matches(BOM))?;
        let mut fields = serde_json::to_value(Registration::default())?;
        for (key, slot) in fields.as_object_mut().into_iter().flatten() {
            let found = given.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
            match (found, slot.is_string()) {
                (Some(Value::String(text)), false) => *slot = serde_json::from_str(&text.to_lowercase())?,
                (Some(value), _) => *slot = value.clone(),
                (None, _) => {}
            }
        }
        Ok(Some(serde_json::from_value(fields)?))
    }
}

/// Deletes the local registration and tells of each file (`DeleteLocalRunnerConfig`).
pub(crate) fn delete_local(root: &Path, terminal: &Terminal) {
    for name in [".credentials", ".runner"] {
        match fs::remove_file(root.join(name)) {
            Ok(()) => terminal.success(&format!("Removed {name}")),
            Err(_) => terminal.line(&format!("Does not exist. Skipping Removing {name}")),
        }
    }
    // The key goes along with the credentials, unmentioned.
    _ = fs::remove_file(root.join(".credentials_rsaparams"));
}

/// `configure`: 0 or 1.
pub(crate) fn configure(root: &Path, options: &Options, scenario: &Scenario, terminal: &Terminal) -> i32 {
    let number = next(root, |state| &mut state.configures);
    let call = scenario.configure.get(number).or(scenario.configure.last()).cloned().unwrap_or_default();
    terminal.line(BANNER);
    if root.join(".runner").exists() || root.join(".runner_migrated").exists() {
        terminal.error(ALREADY);
        return 1;
    }
    let Some(url) = options.value("url") else { return missing("url", terminal) };
    terminal.section("Authentication");
    if options.value("token").or(options.value("pat")).is_none() {
        return missing("token", terminal);
    }
    Pace::new(scenario.speed).sleep(call.ms);
    let name = options.value("name").unwrap_or("simulated");
    let refused = refusal(call.outcome, name, options, terminal);
    if !refused.is_empty() {
        for line in &refused {
            terminal.error(line);
        }
        return 1;
    }
    terminal.success("Connected to GitHub");
    terminal.section("Runner Registration");
    let replaced = call.outcome == ConfigureOutcome::DuplicateName;
    terminal.success(if replaced { "Successfully replaced the runner" } else { "Runner successfully added" });
    terminal.section("Runner settings");
    let registration = Registration {
        agent_name: name.into(),
        pool_name: options.value("runnergroup").unwrap_or("Default").into(),
        git_hub_url: url.into(),
        work_folder: options.value("work").unwrap_or("_work").into(),
        ephemeral: options.flag("ephemeral"),
        disable_update: options.flag("disableupdate"),
        ..Registration::default()
    };
    if let Err(error) = registration.save(root) {
        terminal.error(&error.to_string());
        return 1;
    }
    terminal.success("Settings Saved.");
    0
}

/// What the server says no with; empty if it says yes.
fn refusal(outcome: ConfigureOutcome, name: &str, options: &Options, terminal: &Terminal) -> Vec<String> {
    if options.flag("no-default-labels") && options.value("labels").is_none() {
        return vec![
            "Disabling default labels via --no-default-labels without specifying --labels is not supported"
                .into(),
        ];
    }
    match outcome {
        ConfigureOutcome::Ok => Vec::new(),
        ConfigureOutcome::DuplicateName if options.flag("replace") => Vec::new(),
        ConfigureOutcome::DuplicateName => {
            terminal.line("A runner exists with the same name");
            vec![format!("A runner exists with the same name {name}.")]
        }
        ConfigureOutcome::BadToken => vec![
            "Http response code: NotFound from 'POST https://api.github.com/actions/runner-registration' (Request Id: \
             0400:1F2E:3D4C:5B6A:66C0FFEE)"
                .into(),
            r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}"#.into(),
            "Response status code does not indicate success: 404 (Not Found).".into(),
        ],
        ConfigureOutcome::Unreachable => {
            vec!["Resource temporarily unavailable (api.github.com:443)".into()]
        }
        ConfigureOutcome::NoGroup => {
            let group = options.value("runnergroup").unwrap_or("Default");
            vec![format!("Could not find any self-hosted runner group named \"{group}\".")]
        }
    }
}

fn missing(name: &str, terminal: &Terminal) -> i32 {
    terminal
        .error(&format!("Invalid configuration provided for {name}. Terminating unattended configuration."));
    1
}

/// `remove`: 0 or 1.
pub(crate) fn remove(root: &Path, options: &Options, scenario: &Scenario, terminal: &Terminal) -> i32 {
    let number = next(root, |state| &mut state.removes);
    let call = scenario.remove.get(number).or(scenario.remove.last()).copied().unwrap_or_default();
    terminal.section("Runner removal");
    if root.join(".service").exists() {
        terminal.error("Uninstall service first");
        return 1;
    }
    if options.flag("local") {
        delete_local(root, terminal);
        return 0;
    }
    if !root.join(".runner").exists() || !root.join(".credentials").exists() {
        terminal.line(
            "Cannot connect to server, because config files are missing. Skipping removing runner from the server.",
        );
        delete_local(root, terminal);
        return 0;
    }
    Pace::new(scenario.speed).sleep(call.ms);
    if call.fails || options.value("token").or(options.value("pat")).is_none() {
        terminal.error("Failed: Removing runner from the server");
        terminal.error("Response status code does not indicate success: 404 (Not Found).");
        return 1;
    }
    terminal.success("Runner removed successfully");
    delete_local(root, terminal);
    0
}

/// Writes the files of a JIT configuration: base64 of a JSON map from file name to base64 content.
///
/// # Errors
/// If it is not such a map (`InvalidData`), or a file cannot be written.
pub(crate) fn unpack_jit(root: &Path, encoded: &str) -> io::Result<()> {
    use base64::Engine;
    let decode =
        |text: &str| base64::engine::general_purpose::STANDARD.decode(text).map_err(io::Error::other);
    let files: std::collections::BTreeMap<String, String> = serde_json::from_slice(&decode(encoded)?)?;
    for (name, content) in files {
        fs::write(root.join(name), decode(&content)?)?;
    }
    Ok(())
}

/// Counts a call, and gives its number from 0.
fn next(root: &Path, counter: impl Fn(&mut State) -> &mut usize) -> usize {
    let mut state = State::load(root);
    let number = *counter(&mut state);
    *counter(&mut state) += 1;
    // A read-only root plays the first entry for ever.
    _ = state.save(root);
    number
}

/// The usage text and `--version` go straight to stdout, before any log exists.
pub(crate) fn print(env: &Environment, text: &str) {
    let console = super::terminal::Console::new(env, &super::scenario::Console::default(), Pace::new(1.0));
    console.line(Stream::Stdout, text);
}

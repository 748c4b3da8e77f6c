//! Where a job works: its directories, its event file, and the environment of its processes.

use super::wire::Assignment;
use crate::clock;
use crate::environment::Environment;
use crate::scenario::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file commands of a step: the variable's last part and the file's first.
const COMMANDS: [(&str, &str); 5] = [
    ("ENV", "set_env"),
    ("PATH", "add_path"),
    ("OUTPUT", "set_output"),
    ("STATE", "save_state"),
    ("STEP_SUMMARY", "step_summary"),
];

/// The directories of a job and what its steps have left for the next ones.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// `_work/<repo>/<repo>`, the working directory of steps and hooks.
    pub(crate) dir: PathBuf,
    /// `_work/_temp`.
    pub(crate) temp: PathBuf,
    tools: PathBuf,
    runner_name: String,
    /// From `GITHUB_ENV`; steps see it, hooks do not.
    set: Vec<(String, String)>,
    /// From `GITHUB_PATH`, the last first; also where `bash` is looked up.
    path: Vec<String>,
    /// `GITHUB_ACTION` and its like of the last step.
    action: Option<String>,
    created: bool,
}

/// Adds what the Worker sets for all its children.
pub(crate) fn prepare_env(env: &mut Environment) {
    env.0.insert("RUNNER_TRACKING_ID".into(), format!("github_{}", clock::guid()));
    env.0.insert("GITHUB_ACTIONS".into(), "true".into());
    env.0.entry("CI".into()).or_insert_with(|| "true".into());
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        let upper = name.to_uppercase();
        if let Some(value) = env.get(name).or_else(|| env.get(&upper)).map(str::to_owned) {
            env.0.insert(name.into(), value.clone());
            env.0.insert(upper, value);
        }
    }
}

impl Workspace {
    /// The places; empties `_temp`, makes nothing else yet.
    ///
    /// # Errors
    /// If `_temp` cannot be made.
    pub(crate) fn new(root: &Path, task: &Assignment) -> io::Result<Workspace> {
        let work = root.join(&task.work_folder);
        let repository = task.context.repository_name();
        let workspace = Workspace {
            dir: work.join(repository).join(repository),
            temp: work.join("_temp"),
            tools: work.join("_tool"),
            runner_name: task.runner_name.clone(),
            set: Vec::new(),
            path: Vec::new(),
            action: None,
            created: false,
        };
        workspace.empty_temp();
        fs::create_dir_all(&workspace.temp)?;
        Ok(workspace)
    }

    /// Makes the directories and the event file.
    pub(crate) fn create(&mut self, context: &Context) -> io::Result<()> {
        for dir in [&self.dir, &self.tools, &self.temp.join("_runner_file_commands")] {
            fs::create_dir_all(dir)?;
        }
        self.write_event(context)?;
        self.created = true;
        Ok(())
    }

    /// Whether [`Workspace::create`] succeeded.
    pub(crate) fn is_created(&self) -> bool {
        self.created
    }

    /// Writes `event.json`, as before every step and hook.
    pub(crate) fn write_event(&self, context: &Context) -> io::Result<()> {
        let dir = self.temp.join("_github_workflow");
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("event.json"), serde_json::to_string_pretty(&context.event_body())?)
    }

    /// Removes everything in `_temp`; what cannot be removed stays.
    pub(crate) fn empty_temp(&self) {
        for entry in fs::read_dir(&self.temp).into_iter().flatten().flatten() {
            let path = entry.path();
            _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }

    /// The environment of a hook, and the GUID of its file commands (runner-facts §5).
    pub(crate) fn hook_env(
        &self,
        base: &Environment,
        task: &Assignment,
    ) -> io::Result<(Environment, String)> {
        let mut env = base.clone();
        if !self.path.is_empty() {
            let rest = base.get("PATH").map(str::to_owned);
            let all: Vec<String> = self.path.iter().cloned().chain(rest).collect();
            env.0.insert("PATH".into(), all.join(":"));
        }
        let mut put = |name: &str, value: String| _ = env.0.insert(name.to_owned(), value);
        for (name, value) in github(&task.context).into_iter().filter(|(_, value)| !value.is_empty()) {
            put(&format!("GITHUB_{name}"), value);
        }
        put("GITHUB_EVENT_PATH", self.temp.join("_github_workflow/event.json").display().to_string());
        put("GITHUB_WORKSPACE", self.dir.display().to_string());
        let guid = clock::guid();
        let commands = self.temp.join("_runner_file_commands");
        for (name, file) in COMMANDS {
            let path = commands.join(format!("{file}_{guid}"));
            fs::write(&path, "")?;
            put(&format!("GITHUB_{name}"), path.display().to_string());
        }
        if let Some(action) = &self.action {
            put("GITHUB_ACTION", action.clone());
            if let Some((repository, git_ref)) = action.split_once('@') {
                put("GITHUB_ACTION_REPOSITORY", repository.to_owned());
                put("GITHUB_ACTION_REF", git_ref.to_owned());
            }
        }
        let parent = self.dir.parent().unwrap_or(&self.dir);
        put("RUNNER_OS", "Linux".into());
        put("RUNNER_ARCH", if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" }.into());
        put("RUNNER_NAME", self.runner_name.clone());
        put("RUNNER_ENVIRONMENT", "self-hosted".into());
        put("RUNNER_TOOL_CACHE", self.tools.display().to_string());
        put("RUNNER_TEMP", self.temp.display().to_string());
        put("RUNNER_WORKSPACE", parent.display().to_string());
        Ok((env, guid))
    }

    /// The environment of a step: a hook's, and what earlier steps have set.
    pub(crate) fn step_env(
        &mut self,
        base: &Environment,
        task: &Assignment,
        action: &str,
    ) -> io::Result<(Environment, String)> {
        self.action = Some(action.to_owned());
        let (mut env, guid) = self.hook_env(base, task)?;
        env.0.extend(self.set.iter().cloned());
        Ok((env, guid))
    }

    /// Takes over what a step or a hook has written to `GITHUB_ENV` (only `KEY=VALUE` lines) and `GITHUB_PATH`.
    pub(crate) fn collect(&mut self, guid: &str) {
        let read = |name: &str| {
            let path = self.temp.join("_runner_file_commands").join(format!("{name}_{guid}"));
            fs::read_to_string(path).unwrap_or_default()
        };
        let (set, path) = (read("set_env"), read("add_path"));
        let pairs = set.lines().filter_map(|line| line.split_once('='));
        self.set.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        for line in path.lines().filter(|line| !line.is_empty()) {
            self.path.insert(0, line.to_owned());
        }
    }
}

/// The `GITHUB_*` variables of the context.
fn github(context: &Context) -> Vec<(&'static str, String)> {
    let protected = context.git_ref == "refs/heads/main";
    vec![
        ("ACTOR", context.actor.clone()),
        ("ACTOR_ID", "583231".into()),
        ("API_URL", "https://api.github.com".into()),
        ("BASE_REF", context.base_ref.clone()),
        ("EVENT_NAME", context.event_name.clone()),
        ("GRAPHQL_URL", "https://api.github.com/graphql".into()),
        ("HEAD_REF", context.head_ref.clone()),
        ("JOB", context.job.clone()),
        ("REF", context.git_ref.clone()),
        ("REF_NAME", context.ref_name().into()),
        ("REF_PROTECTED", protected.to_string()),
        ("REF_TYPE", if context.git_ref.starts_with("refs/tags/") { "tag" } else { "branch" }.into()),
        ("REPOSITORY", context.repository.clone()),
        ("REPOSITORY_ID", "1296269".into()),
        ("REPOSITORY_OWNER", context.owner().into()),
        ("REPOSITORY_OWNER_ID", "9919".into()),
        ("RETENTION_DAYS", "90".into()),
        ("RUN_ATTEMPT", context.run_attempt.to_string()),
        ("RUN_ID", context.run_id.to_string()),
        ("RUN_NUMBER", context.run_number.to_string()),
        ("SERVER_URL", "https://github.com".into()),
        ("SHA", context.sha.clone()),
        ("TRIGGERING_ACTOR", context.actor.clone()),
        ("WORKFLOW", context.workflow.clone()),
        ("WORKFLOW_REF", context.workflow_ref()),
        ("WORKFLOW_SHA", context.sha.clone()),
    ]
}

/// Kills every process that carries this tracking id, alone, and tells of each.
pub(crate) fn kill_orphans(tracking: &str) -> Vec<String> {
    let wanted = format!("RUNNER_TRACKING_ID={tracking}");
    let mut told = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            told.push(format!("Terminate orphan process: pid ({pid}) ({})", name.trim_end()));
            // It may have ended since.
            _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    told
}

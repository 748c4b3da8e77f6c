//! `.runner`: what the runner's own files say of its registration.
//!
//! Any job can write it: it is a word of the runner's user, never a source of whom we act upon.
//! JSON with a byte order mark (`IOUtil.SaveObject`); a just-in-time configuration may spell keys and booleans otherwise.

use super::door::Dir;
use serde_json::Value;
use std::io;
use std::path::PathBuf;

/// The files of a registration, the telling one first.
const FILES: [&str; 5] =
    [".runner", ".runner_migrated", ".credentials", ".credentials_migrated", ".credentials_rsaparams"];

/// It has a few hundred bytes.
pub(super) const MOST: u64 = 64 * 1024;

/// A registration as it stands in the runner's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerFile {
    /// The server's id of it, as it says.
    pub id: Option<u64>,
    /// Its name.
    pub name: String,
    /// `gitHubUrl`: what it is registered for.
    pub url: String,
    /// It takes one job.
    pub ephemeral: bool,
}

/// Whether the runner is configured: `.runner` is there, or what a migration left in its place.
pub fn is_configured(dir: &Dir) -> bool {
    FILES[..2].iter().any(|file| dir.find(file).is_ok())
}

/// Reads it; `None` if there is none or it cannot be understood.
pub fn read(dir: &Dir) -> Option<RunnerFile> {
    let fields = fields(dir)?;
    let field =
        |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let text = |name| field(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = field("agentId").and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
    let ephemeral = field("ephemeral").is_some_and(|v| {
        v.as_bool().unwrap_or_else(|| v.as_str().is_some_and(|word| word.eq_ignore_ascii_case("true")))
    });
    Some(RunnerFile { id, name: text("agentName"), url: text("gitHubUrl"), ephemeral })
}

/// Where it lets its jobs work, absolute; `None` if there is no registration or it does not say.
pub fn work_folder(dir: &Dir) -> Option<PathBuf> {
    let fields = fields(dir)?;
    let (_, folder) = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case("workFolder"))?;
    folder.as_str().filter(|folder| !folder.is_empty()).map(|folder| dir.path().join(folder))
}

fn fields(dir: &Dir) -> Option<serde_json::Map<String, Value>> {
    let text = FILES[..2].iter().find_map(|file| dir.read(file, MOST).ok())?;
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    serde_json::from_slice(text).ok()
}

/// Deletes the registration's files here; the server is not told.
///
/// # Errors
/// If a file is there and cannot be deleted.
pub fn forget(dir: &Dir) -> io::Result<()> {
    for file in FILES {
        dir.remove(file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Option<RunnerFile> {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join(".runner"), text).expect("a file");
        read(&Dir::open(dir.path()).expect("ours"))
    }

    #[test]
    fn both_spellings_are_understood() {
        let real = "\u{feff}{\"agentId\": 7, \"agentName\": \"n\", \"gitHubUrl\": \"https://github.com/o/r\", \"ephemeral\": true}";
        let want = RunnerFile {
            id: Some(7),
            name: "n".into(),
            url: "https://github.com/o/r".into(),
            ephemeral: true,
        };
        assert_eq!(with(real), Some(want.clone()));
        let jit =
            r#"{"AgentId":"7","AgentName":"n","GitHubUrl":"https://github.com/o/r","Ephemeral":"True"}"#;
        assert_eq!(with(jit), Some(want));
        assert_eq!(with("not JSON"), None);
    }

    #[test]
    fn the_whole_files_of_both_kinds_of_registration_are_understood() {
        let configured = "\u{feff}{\n  \"agentId\": 7,\n  \"agentName\": \"n\",\n  \"poolId\": 1,\n  \"poolName\": \"Default\",\n  \
            \"serverUrl\": \"https://x\",\n  \"gitHubUrl\": \"https://github.com/o/r\",\n  \"workFolder\": \"_work\",\n  \
            \"isHostedServer\": true,\n  \"useV2Flow\": true\n}";
        let given = r#"{"AgentId":"7","AgentName":"n","DisableUpdate":"False","Ephemeral":"True","PoolId":"1","PoolName":null,
            "ServerUrl":"https://x","WorkFolder":"_work","GitHubUrl":"https://github.com/o/r","UseV2Flow":"True"}"#;
        for (text, ephemeral) in [(configured, false), (given, true)] {
            let file = with(text).expect("it is understood");
            assert_eq!((file.id, file.name.as_str(), file.ephemeral), (Some(7), "n", ephemeral));
            assert_eq!(file.url, "https://github.com/o/r");
        }
    }

    #[test]
    fn the_work_folder_is_below_the_runner_unless_it_is_absolute() {
        let dir = tempfile::tempdir().expect("a directory");
        let runner = Dir::open(dir.path()).expect("ours");
        assert_eq!(work_folder(&runner), None);
        for (folder, want) in
            [("_work", Some(dir.path().join("_work"))), ("/w", Some("/w".into())), ("", None)]
        {
            let text = serde_json::json!({ "workFolder": folder }).to_string();
            std::fs::write(dir.path().join(".runner"), text).expect("a file");
            assert_eq!(work_folder(&runner), want);
        }
    }

    #[test]
    fn forgetting_leaves_nothing_of_it() {
        let dir = tempfile::tempdir().expect("a directory");
        for file in FILES {
            std::fs::write(dir.path().join(file), "{}").expect("a file");
        }
        let runner = Dir::open(dir.path()).expect("ours");
        assert!(is_configured(&runner));
        forget(&runner).expect("deleted");
        assert!(!is_configured(&runner));
        forget(&runner).expect("nothing to delete is fine");
    }
}

//! A simulated runner directory looks like a configured real one, except that its programs are links to one file.

use super::configure::Registration;
use super::scenario::Scenario;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// `config.sh`: like the real one it only changes to the root and calls the listener.
const CONFIG_SH: &str = r#"#!/bin/bash
cd "$(dirname "$0")" && case "$1" in remove) exec bin/Runner.Listener "$@" ;; *) exec bin/Runner.Listener configure "$@" ;; esac
"#;

/// Makes `root` a configured runner directory that plays `scenario`; `exe` is the runner-init executable, absolute.
///
/// Writes `bin/` and `externals/` (links to `exe`), `.runner`, `.credentials`, `.credentials_rsaparams`, `_diag/`,
/// `_work/`, `config.sh` and `sim.json`, and forgets the place a scenario played there before was at. For a runner that
/// is not configured yet, remove the three dot files.
///
/// # Errors
/// If anything cannot be written.
pub fn install(root: &Path, exe: &Path, scenario: &Scenario) -> io::Result<()> {
    programs(root, "", exe)?;
    for dir in ["_diag", "_work"] {
        fs::create_dir_all(root.join(dir))?;
    }
    Registration::of_kind(scenario.ephemeral).save(root)?;
    let config = root.join("config.sh");
    fs::write(&config, CONFIG_SH)?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o755))?;
    fs::write(root.join("sim.json"), serde_json::to_vec_pretty(scenario)?)?;
    match fs::remove_file(root.join("sim-state.json")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Links the programs below `<root>/bin<suffix>` and `<root>/externals<suffix>` to `exe`, unless they are there.
pub(crate) fn programs(root: &Path, suffix: &str, exe: &Path) -> io::Result<()> {
    let bin = root.join(format!("bin{suffix}"));
    let node = root.join(format!("externals{suffix}/node20/bin"));
    for (dir, name) in [(&bin, "Runner.Listener"), (&bin, "Runner.Worker"), (&node, "node")] {
        fs::create_dir_all(dir)?;
        match symlink(exe, dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

//! What the double remembers between two starts, in `<root>/sim-state.json`; written whole and renamed into place.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The double's place in its scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// Launches of the listener begun.
    pub(crate) launches: usize,
    /// Jobs begun, over all launches.
    pub(crate) jobs: u64,
    /// `configure` calls begun.
    pub(crate) configures: usize,
    /// `remove` calls begun.
    pub(crate) removes: usize,
    /// The version after a self-update.
    pub(crate) version: Option<String>,
}

impl State {
    /// Reads it; a missing or broken file is the beginning.
    pub(crate) fn load(root: &Path) -> State {
        let text = std::fs::read(root.join("sim-state.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it.
    ///
    /// # Errors
    /// If the root is not writable.
    pub(crate) fn save(&self, root: &Path) -> io::Result<()> {
        let next = root.join("sim-state.json.new");
        std::fs::write(&next, serde_json::to_vec(self)?)?;
        std::fs::rename(next, root.join("sim-state.json"))
    }
}

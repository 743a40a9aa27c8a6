//! Which rules file is meant.

use crate::config::{self, ConfigError};
use std::path::PathBuf;

/// The option that names the rules file.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigFile {
    /// The rules file; without it `$HOOKGATE_CONFIG`, else `rules.yaml`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The store's folder, as the rules file names it.
    ///
    /// # Errors
    /// The option names a file that cannot be read. Without the option there may be none.
    pub fn store_folder(self) -> Result<PathBuf, ConfigError> {
        let is_named = self.config.is_some();
        match config::store_folder(&self.path()) {
            Err(error) if is_named => Err(error),
            found => Ok(found.unwrap_or_else(|_| config::default_store_folder())),
        }
    }

    /// The path.
    pub fn path(self) -> PathBuf {
        path_or_default(self.config)
    }
}

/// The path named, else the one in `$HOOKGATE_CONFIG`, else `rules.yaml`.
pub fn path_or_default(named: Option<PathBuf>) -> PathBuf {
    let variable = || std::env::var_os("HOOKGATE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(variable).unwrap_or_else(|| PathBuf::from("rules.yaml"))
}

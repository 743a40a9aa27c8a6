//! Which rules file is meant.

use std::path::PathBuf;

/// The option that names the rules file.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigFile {
    /// The rules file; without it `$HOOKGATE_CONFIG`, else `rules.yaml`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
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

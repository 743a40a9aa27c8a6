//! `hookgate init`: a first rules file, and its JSON Schema beside it.

use super::{Exit, config_file::ConfigFile, schema, streams::tell};
use std::{
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Write a commented rules file and its JSON Schema to start from
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    #[command(flatten)]
    config: ConfigFile,

    /// Replace the files where they are there
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Writes `rules.yaml` (or what --config names) and `rules.schema.json` beside it. Ends with 1, and writes nothing, where one
of them is there and --force is not said.

Examples:
  hookgate init
  hookgate init && hookgate check --allow-unset && hookgate test && hookgate serve --dev
  hookgate init --config /etc/hookgate/rules.yaml --force";

const RULES: &str = include_str!("init/rules.yaml");

/// What the rules file calls its schema.
const SCHEMA: &str = "rules.schema.json";

impl Init {
    pub fn run(self) -> anyhow::Result<Exit> {
        let rules = self.config.path();
        let schema = rules.with_file_name(SCHEMA);
        if rules == schema {
            tell(format_args!("the rules file cannot be called {SCHEMA}, as its schema is"));
            return Ok(Exit::Usage);
        }
        let there = [&rules, &schema].into_iter().find(|path| path.symlink_metadata().is_ok());
        if let Some(there) = there.filter(|_| !self.force) {
            tell(format_args!("{} is there already, and nothing was written; --force replaces it", there.display()));
            return Ok(Exit::No);
        }
        write(&schema, &schema::text())?;
        write(&rules, RULES)?;
        tell(format_args!("wrote {} and {}", rules.display(), schema.display()));
        Ok(Exit::Ok)
    }
}

/// The whole file, or as it was before.
fn write(path: &Path, text: &str) -> Result<(), NotWritten> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|cause| NotWritten { path: path.into(), cause })
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
struct NotWritten {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

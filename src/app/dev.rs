//! `serve --dev`: everything a newcomer needs to try a rules file, and nothing that could be mistaken for production.

use crate::{
    config::{Config, Loaded},
    domain::secret::Secret,
    store,
};
use http::Uri;
use std::net::SocketAddr;
use tempfile::TempDir;

/// Why `--dev` is refused.
#[derive(Debug, thiserror::Error)]
pub enum DevRefused {
    /// The environment says that this is production.
    #[error("with HOOKGATE_ENV=production")]
    Production,
    /// Others could reach it.
    #[error("on {address} (`{key}`), which is not loopback: it has well-known secrets; listen on 127.0.0.1")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
        /// Where the rules file says it.
        key: &'static str,
    },
    /// There is no place for its data.
    #[error("without a temporary folder: {0}")]
    Folder(#[from] std::io::Error),
}

/// What `--dev` brings along. Its data goes when it is dropped.
#[derive(Debug)]
pub struct Dev {
    folder: TempDir,
    token: Option<Secret>,
}

impl Dev {
    /// # Errors
    /// Not in production, not without a temporary folder.
    pub fn prepare(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, DevRefused> {
        if variable("HOOKGATE_ENV").is_some_and(|value| value.eq_ignore_ascii_case("production")) {
            return Err(DevRefused::Production);
        }
        let token = variable("HOOKGATE_ADMIN_TOKEN").filter(|token| !token.is_empty()).map(Secret::new);
        Ok(Self { folder: tempfile::Builder::new().prefix("hookgate-dev-").tempdir()?, token })
    }

    /// The token that the command line will use, so that it need not look into the temporary folder.
    pub fn token(&self) -> Option<Secret> {
        self.token.clone()
    }

    /// Puts the data into the temporary folder; refuses addresses that others can reach.
    pub fn adapt(&self, mut loaded: Loaded) -> Result<Loaded, DevRefused> {
        let config = &mut loaded.config;
        for (address, key) in [(config.listen, "server.listen"), (config.admin.listen, "server.admin")] {
            if !address.ip().is_loopback() {
                return Err(DevRefused::NotLoopback { address, key });
            }
        }
        config.store.path = self.folder.path().join("data");
        Ok(loaded)
    }

    /// Says where everything is.
    pub fn announce(&self, config: &Config) {
        eprintln!("hookgate --dev: every destination is replaced by a sink, unset secrets are `test-hmac-key`");
        for source in &config.sources {
            eprintln!("  webhooks  POST http://{}{}", config.listen, source.receive.path);
        }
        eprintln!("  arrived        http://{}/dev/sink", config.admin.listen);
        eprintln!("  metrics        http://{}/metrics", config.admin.listen);
        if self.token.is_none() {
            eprintln!("  API token      in {}", config.store.path.join(store::token::TOKEN_FILE).display());
        }
        eprintln!("  data           {} (removed at the end)", config.store.path.display());
    }
}

/// Sends every destination's deliveries to its place under `/dev/sink`.
pub fn replace_destinations(config: &mut Config) {
    for destination in &mut config.destinations {
        let url = format!("http://{}/dev/sink/{}", config.admin.listen, destination.name);
        destination.settings.url = url.parse::<Uri>().expect("an address and a name make a url");
    }
}

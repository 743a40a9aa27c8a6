//! `serve --dev`: everything a newcomer needs to try a rules file, and nothing that could be mistaken for production.

use crate::{
    config::Config,
    domain::{secret::Secret, template::Target},
    store,
};
use http::Uri;
use std::{
    io::{self, Write},
    net::SocketAddr,
};
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
    Folder(#[from] io::Error),
}

/// What `--dev` brings along. Its data goes when it is dropped.
#[derive(Debug)]
pub struct Dev {
    folder: TempDir,
    token: Option<Secret>,
    /// The addresses that the rules file names.
    wanted: [SocketAddr; 2],
    /// Whether the rules file has a certificate, which is not served.
    had_tls: bool,
}

impl Dev {
    /// # Errors
    /// Not in production, not on addresses that others can reach, not without a temporary folder.
    pub fn prepare(variable: &dyn Fn(&str) -> Option<String>, config: &Config) -> Result<Self, DevRefused> {
        if variable("HOOKGATE_ENV").is_some_and(|value| value.eq_ignore_ascii_case("production")) {
            return Err(DevRefused::Production);
        }
        let addresses = [(config.listen, "server.listen"), (config.admin.listen, "server.admin")];
        if let Some((address, key)) = addresses.into_iter().find(|(address, _)| !address.ip().is_loopback()) {
            return Err(DevRefused::NotLoopback { address, key });
        }
        let token = variable("HOOKGATE_ADMIN_TOKEN").filter(|token| !token.is_empty()).map(Secret::new);
        let folder = tempfile::Builder::new().prefix("hookgate-dev-").tempdir()?;
        let had_tls = config.public.tls.is_some();
        Ok(Self { folder, token, wanted: addresses.map(|(address, _)| address), had_tls })
    }

    /// The token that the command line will use, so that it need not look into the temporary folder.
    pub fn token(&self) -> Option<Secret> {
        self.token.clone()
    }

    /// Puts the data into the temporary folder, and leaves TLS out.
    pub fn adapt(&self, config: &mut Config) {
        config.public.tls = None;
        config.store.path = self.folder.path().join("data");
    }

    /// Says where everything is. Where nobody can hear it, it is lost.
    pub fn announce(&self, config: &Config) {
        let (public, admin, data) = (config.listen, config.admin.listen, config.store.path.display());
        let mut lines = vec!["hookgate --dev: every destination is replaced by a sink, unset secrets are `test-hmac-key`".to_owned()];
        for (wanted, taken) in self.wanted.iter().zip([public, admin]) {
            if wanted.port() != 0 && wanted.port() != taken.port() {
                lines.push(format!("  port {} is in use: {} is taken instead", wanted.port(), taken.port()));
            }
        }
        if self.had_tls {
            lines.push("  the certificate of `server.tls` is not served: plain HTTP".to_owned());
        }
        lines.extend(config.sources.iter().map(|source| format!("  webhooks  POST http://{public}{}", source.receive.path)));
        lines.push(format!("  arrived        http://{admin}/dev/sink"));
        lines.push(format!("  metrics        http://{admin}/metrics"));
        if self.token.is_none() && config.admin.token.is_none() {
            lines.push(format!("  API token      in {data}/{}", store::token::TOKEN_FILE));
        }
        lines.push(format!("  data           {data} (removed at the end)\n"));
        drop(io::stderr().write_all(lines.join("\n").as_bytes()));
    }
}

/// Sends every destination's deliveries to its place under `/dev/sink`; below it stays the path that has fields of the event in it.
pub fn replace_destinations(config: &mut Config, admin: SocketAddr) {
    for destination in &mut config.destinations {
        // The sink wants neither a token nor a certificate.
        destination.settings.auth = None;
        destination.settings.tls = None;
        let target = destination.settings.target.take().filter(Target::has_places);
        destination.settings.target = target.map(|target| target.below(&["dev", "sink", &destination.name]));
        let url = format!("http://{admin}/dev/sink/{}", destination.name);
        destination.settings.url = url.parse::<Uri>().expect("an address and a name make a url");
    }
}

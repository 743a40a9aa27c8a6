//! Checks `server` and `store`.

use super::{
    Unset,
    diagnostics::Code,
    interpolate::{Origin, Value},
    problem::Problem,
    raw,
    sources::networks,
    tls,
    values::Checks,
};
use crate::{admin, domain::secret::Secret, receive, store};
use http::uri::Authority;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);
const LISTEN: &str = "0.0.0.0:8080";
/// `serve --dev` has well-known secrets, so only this machine may reach it.
const DEV_LISTEN: &str = "127.0.0.1:8080";
/// The store's folder where the file names none.
pub const FOLDER: &str = "./hookgate-data";
const ADMIN: &str = "127.0.0.1:9090";

/// `server`, checked.
pub struct Server {
    /// The public listener's address.
    pub listen: SocketAddr,
    /// How the public listener treats its connections.
    pub public: receive::server::Settings,
    /// How long connections are still accepted after the order to stop.
    pub drain_delay: Duration,
    /// The admin listener.
    pub admin: admin::Settings,
}

/// Checks `server`.
pub fn server(raw: &raw::Server<'_>, checks: &mut Checks<'_>) -> Server {
    let listen_value = checks.setting(raw.listen);
    let admin_value = checks.setting(raw.admin);
    let default = match checks.interpolator.unset {
        Unset::Error | Unset::Placeholder => LISTEN,
        Unset::Dev => DEV_LISTEN,
    };
    let listen = address(listen_value.as_ref(), "`listen`", default, checks);
    let admin = address(admin_value.as_ref(), "`admin`", ADMIN, checks);
    let written = admin_value.as_ref().or(listen_value.as_ref());
    if let Some(value) = written.filter(|_| listen == admin && listen.port() != 0) {
        let hint = "webhooks and operators have listeners of their own".to_owned();
        checks.say(value, Code::DuplicateValue, "`listen` and `admin` are one address", Some(hint));
    }
    let drain_delay = checks.setting(raw.drain_delay);
    let drain_delay = drain_delay.and_then(|value| checks.duration(&value, "`drain_delay`", Duration::ZERO..=Duration::from_secs(3_600)));
    let trusted = networks(&raw.trusted_proxies, "each of `trusted_proxies`", checks);
    let public = receive::server::Settings {
        tls: raw.tls.as_ref().and_then(|raw| tls::tls(raw, checks)),
        trusted_proxies: receive::TrustedProxies::new(trusted),
        ..receive::server::Settings::default()
    };
    let token = checks.setting(raw.admin_token);
    let token = token.and_then(|value| token_of(&value, checks));
    let hosts = checks.settings(&raw.admin_hosts).iter().filter_map(|value| host(value, checks)).collect();
    Server { listen, public, drain_delay: drain_delay.unwrap_or_default(), admin: admin::Settings { listen: admin, token, hosts } }
}

/// Checks `store`, where no variables are put in.
pub fn store(raw: &raw::Store<'_>, checks: &mut Checks<'_>) -> store::Settings {
    if let Some(path) = raw.path.filter(|path| path.text.contains("${")) {
        let found = Problem::error(Code::Interpolation, path.span, "variables are not put into `path` of `store`");
        checks.problems.push(found.help("write the folder itself; variables work under `server`, `sources` and `destinations`"));
    } else if let Some(path) = raw.path.filter(|path| path.text.is_empty() || path.text.contains('\0')) {
        checks.problems.error(Code::InvalidValue, path.span, "`path` of `store` wants a folder");
    }
    let mut keep = |scalar: Option<super::tree::Scalar<'_>>, of: &str, days: u32| {
        let range = Duration::from_secs(1)..=36_500 * DAY;
        scalar.and_then(|scalar| checks.duration(&Value::literal(scalar), of, range)).unwrap_or(days * DAY)
    };
    store::Settings {
        path: PathBuf::from(raw.path.map_or(FOLDER, |path| path.text)),
        keep: keep(raw.keep, "`keep`", 30),
        keep_unresolved: keep(raw.keep_unresolved, "`keep_unresolved`", 180),
    }
}

fn address(value: Option<&Value<'_>>, of: &str, default: &str, checks: &mut Checks<'_>) -> SocketAddr {
    if let Some(value) = value {
        if let Ok(address) = value.text.parse() {
            return address;
        }
        let port = value.written.strip_prefix(':').or_else(|| value.written.strip_prefix("localhost:"));
        let hint = match port {
            Some(port) if value.written.starts_with(':') => format!("for every address of the machine write `0.0.0.0:{port}`"),
            Some(port) => format!("write the address itself: `127.0.0.1:{port}`"),
            None => format!("as in `{default}` or `[::]:8080`"),
        };
        checks.wrong(value, of, "an IP address and a port", Some(hint));
    }
    default.parse().expect("the defaults are addresses")
}

fn token_of(value: &Value<'_>, checks: &mut Checks<'_>) -> Option<Secret> {
    let is_sendable = !value.text.is_empty() && value.text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_sendable {
        let message = if value.text.trim().is_empty() {
            "`admin_token` is empty"
        } else {
            "`admin_token` has a character that cannot stand in a header: visible ASCII is wanted, without spaces"
        };
        let hint = "leave it out to have one made at the first start, in the store's folder".to_owned();
        checks.say(value, Code::WeakSecret, message, Some(hint));
        return None;
    }
    // A token that anyone can guess from the rules file of another gateway is worse than none: one is made at the start.
    (value.origin != Origin::Unset).then(|| Secret::new(&*value.text))
}

fn host(value: &Value<'_>, checks: &mut Checks<'_>) -> Option<String> {
    let host = value.text.parse::<Authority>().ok().filter(|host| !host.as_str().contains('@') && !host.host().is_empty());
    if host.is_none() {
        checks.wrong(value, "each of `admin_hosts`", "a host, or a host and a port", None);
    }
    host.map(|host| host.as_str().to_ascii_lowercase())
}

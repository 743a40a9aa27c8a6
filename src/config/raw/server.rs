//! `server` and `store`, as written.

use super::super::{
    keys::{self, Fields, Scalars},
    problem::Problems,
    tree::Scalar,
};

/// `server`.
#[derive(Default)]
pub struct Server<'t> {
    pub listen: Option<Scalar<'t>>,
    pub admin: Option<Scalar<'t>>,
    pub admin_token: Option<Scalar<'t>>,
    pub admin_hosts: Scalars<'t>,
    pub drain_delay: Option<Scalar<'t>>,
    pub tls: Option<Tls<'t>>,
    pub trusted_proxies: Scalars<'t>,
}

/// `tls` of `server`.
pub struct Tls<'t> {
    pub cert: Option<Scalar<'t>>,
    pub key: Option<Scalar<'t>>,
}

/// `store`.
#[derive(Default)]
pub struct Store<'t> {
    pub path: Option<Scalar<'t>>,
    pub keep: Option<Scalar<'t>>,
    pub keep_unresolved: Option<Scalar<'t>>,
}

pub(super) fn server<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Server<'t> {
    Server {
        listen: fields.scalar("listen", problems),
        admin: fields.scalar("admin", problems),
        admin_token: fields.scalar("admin_token", problems),
        admin_hosts: fields.list("admin_hosts", problems).unwrap_or_default(),
        drain_delay: fields.scalar("drain_delay", problems),
        tls: tls(fields, problems),
        trusted_proxies: fields.list("trusted_proxies", problems).unwrap_or_default(),
    }
}

fn tls<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Tls<'t>> {
    let entry = fields.entry("tls")?;
    let fields = Fields::read("`tls` of `server`", entry.key.span, &entry.value, &keys::TLS, problems)?;
    fields.require("cert", problems);
    fields.require("key", problems);
    Some(Tls { cert: fields.scalar("cert", problems), key: fields.scalar("key", problems) })
}

pub(super) fn store<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Store<'t> {
    Store {
        path: fields.scalar("path", problems),
        keep: fields.scalar("keep", problems),
        keep_unresolved: fields.scalar("keep_unresolved", problems),
    }
}

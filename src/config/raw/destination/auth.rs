//! `auth` of a destination, as written.

use super::super::super::{
    diagnostics::Code,
    keys::{self, Fields},
    problem::{Problem, Problems},
    tree::Scalar,
};

/// `auth`: the one way that is given. `None` is what is missing or wrong, which was said.
pub enum Auth<'t> {
    /// `bearer`.
    Bearer(Option<Scalar<'t>>),
    /// `basic`.
    Basic(Option<Basic<'t>>),
    /// `oauth2`.
    OAuth2(Option<OAuth2<'t>>),
}

/// `basic`.
pub struct Basic<'t> {
    pub user: Option<Scalar<'t>>,
    pub password: Option<Scalar<'t>>,
}

/// `oauth2`.
pub struct OAuth2<'t> {
    pub token_url: Option<Scalar<'t>>,
    pub client_id: Option<Scalar<'t>>,
    pub client_secret: Option<Scalar<'t>>,
    pub scope: Option<Scalar<'t>>,
}

pub(super) fn auth<'t>(destination: &Fields<'t>, problems: &mut Problems) -> Option<Auth<'t>> {
    let entry = destination.entry("auth")?;
    let at = entry.key.span;
    let fields = Fields::read(format!("`auth` of {}", destination.of), at, &entry.value, &keys::AUTH, problems)?;
    let given: Vec<_> = keys::AUTH.names().filter(|key| fields.entry(key).is_some()).collect();
    let [key] = given[..] else {
        let found = if given.is_empty() { "none of them" } else { "more than one" };
        let message = format!("`auth` of {} wants one of bearer, basic, oauth2, found {found}", destination.of);
        problems.push(Problem::error(Code::InvalidValue, at, message).help("a request has one `authorization`"));
        return None;
    };
    Some(match key {
        "bearer" => Auth::Bearer(fields.scalar("bearer", problems)),
        "basic" => Auth::Basic(basic(&fields, problems)),
        _ => Auth::OAuth2(oauth2(&fields, problems)),
    })
}

fn basic<'t>(auth: &Fields<'t>, problems: &mut Problems) -> Option<Basic<'t>> {
    let entry = auth.entry("basic")?;
    let fields = Fields::read(format!("`basic` of {}", auth.of), entry.key.span, &entry.value, &keys::BASIC, problems)?;
    fields.require("user", problems);
    fields.require("password", problems);
    Some(Basic { user: fields.scalar("user", problems), password: fields.scalar("password", problems) })
}

fn oauth2<'t>(auth: &Fields<'t>, problems: &mut Problems) -> Option<OAuth2<'t>> {
    let entry = auth.entry("oauth2")?;
    let fields = Fields::read(format!("`oauth2` of {}", auth.of), entry.key.span, &entry.value, &keys::OAUTH2, problems)?;
    fields.require("token_url", problems);
    fields.require("client_id", problems);
    fields.require("client_secret", problems);
    Some(OAuth2 {
        token_url: fields.scalar("token_url", problems),
        client_id: fields.scalar("client_id", problems),
        client_secret: fields.scalar("client_secret", problems),
        scope: fields.scalar("scope", problems),
    })
}

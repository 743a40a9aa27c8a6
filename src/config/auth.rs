//! Checks `auth` of a destination. No message shows a value: each of them may be a secret.

use super::{
    diagnostics::Code,
    interpolate::{Origin, Value},
    raw,
    tree::Scalar,
    url,
    values::Checks,
};
use crate::{
    destination::{Auth, ClientCredentials, LinkLocal},
    domain::secret::Secret,
};

/// How requests are authorised. `None`: something is wrong with it, and was said.
pub fn auth(raw: &raw::Auth<'_>, of: &str, link_local: LinkLocal, checks: &mut Checks<'_>) -> Option<Auth> {
    let of = format!("`auth` of {of}");
    match raw {
        raw::Auth::Bearer(token) => {
            let token = text(*token, "bearer", &of, Empty::IsWrong, checks);
            token.map(|value| Auth::Bearer(graphic(&value, "bearer", &of, checks)))
        }
        raw::Auth::Basic(basic) => {
            let basic = basic.as_ref()?;
            let user = text(basic.user, "user", &of, Empty::IsWrong, checks);
            let password = text(basic.password, "password", &of, Empty::MayBeWritten, checks);
            if let Some(user) = user.as_ref().filter(|user| user.text.contains(':')) {
                let message = format!("`user` of {of} has a `:` in it, where its password would begin");
                checks.say(user, Code::InvalidValue, message, None);
            }
            let (user, password) = (user?, password?);
            Some(Auth::Basic { user: printable(&user, "user", &of, checks), password: printable(&password, "password", &of, checks) })
        }
        raw::Auth::OAuth2(oauth2) => {
            let oauth2 = oauth2.as_ref()?;
            let token_url = checks.setting(oauth2.token_url).map(|value| url::token_url(&value, &of, link_local, checks));
            let client_id = text(oauth2.client_id, "client_id", &of, Empty::IsWrong, checks);
            let client_secret = text(oauth2.client_secret, "client_secret", &of, Empty::IsWrong, checks);
            let scope = scope(oauth2.scope, &of, checks);
            let (token_url, client_id, client_secret) = (token_url?, client_id?, client_secret?);
            Some(Auth::OAuth2(Box::new(ClientCredentials {
                token_url,
                client_id: printable(&client_id, "client_id", &of, checks),
                client_secret: printable(&client_secret, "client_secret", &of, checks),
                scope,
            })))
        }
    }
}

/// Whether a value may be empty.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    IsWrong,
    /// Where the file itself says so; a variable that is empty was forgotten.
    MayBeWritten,
}

fn text<'t>(scalar: Option<Scalar<'t>>, key: &str, of: &str, empty: Empty, checks: &mut Checks<'_>) -> Option<Value<'t>> {
    let value = checks.setting(scalar)?;
    let is_meant = empty == Empty::MayBeWritten && matches!(value.origin, Origin::Written(_));
    if value.text.trim().is_empty() && !is_meant {
        checks.say(&value, Code::WeakSecret, format!("`{key}` of {of} is empty"), None);
    }
    Some(value)
}

fn graphic(value: &Value<'_>, key: &str, of: &str, checks: &mut Checks<'_>) -> Secret {
    if !value.text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let hint = if value.text.contains(' ') {
            "give the token alone: `Bearer` is put before it"
        } else {
            "visible ASCII is wanted; a line break at the end of a value is the usual culprit"
        };
        checks.say(value, Code::InvalidHeader, format!("`{key}` of {of} has a character that no token can have"), Some(hint.to_owned()));
    }
    Secret::new(&*value.text)
}

fn printable(value: &Value<'_>, key: &str, of: &str, checks: &mut Checks<'_>) -> Secret {
    if value.text.chars().any(char::is_control) {
        let hint = "a line break at the end of a value is the usual culprit".to_owned();
        checks.say(value, Code::InvalidHeader, format!("`{key}` of {of} has a control character in it"), Some(hint));
    }
    Secret::new(&*value.text)
}

fn scope(scalar: Option<Scalar<'_>>, of: &str, checks: &mut Checks<'_>) -> Option<Box<str>> {
    let value = checks.setting(scalar)?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    if !value.text.split(' ').all(is_word) {
        let hint = "as in `payments.write orders.read`; leave it out to get what the endpoint gives by default".to_owned();
        checks.say(&value, Code::InvalidValue, format!("`scope` of {of} wants words separated by one space"), Some(hint));
    }
    Some(value.text.into())
}

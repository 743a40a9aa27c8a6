//! A lint on secrets that stand in the file itself.

use super::super::{
    diagnostics::Code,
    problem::{Problem, Problems},
    raw,
    text::quote,
    tree::Scalar,
};
use crate::domain::mask;

/// Who can read the file, or its history, has what is written in it.
pub fn literal_secret(raw: &raw::Raw<'_>, problems: &mut Problems) {
    let mut look = |scalar: Option<&Scalar<'_>>, what: String| {
        let Some(scalar) = scalar.filter(|scalar| is_literal(scalar.text)) else { return };
        let message = format!("{what} is written in the file, for all to see who see the file or its history");
        let hint = "take it from the environment or from a file of its own: `${NAME}` or `${file:PATH}`";
        problems.push(Problem::warning(Code::LiteralSecret, scalar.span, message).help(hint));
    };
    look(raw.server.admin_token.as_ref(), "`admin_token` of `server`".to_owned());
    for source in &raw.sources {
        for secret in source.secret.iter().flatten() {
            look(Some(secret), format!("a key of source {}", quote(source.name.text)));
        }
    }
    for destination in &raw.destinations {
        let of = format!("destination {}", quote(destination.name.text));
        for secret in destination.sign.iter().filter_map(|sign| sign.secret.as_ref()).flatten() {
            look(Some(secret), format!("a secret under `sign` of {of}"));
        }
        let (secret, key) = match &destination.auth {
            None => (None, ""),
            Some(raw::Auth::Bearer(token)) => (token.as_ref(), "bearer"),
            Some(raw::Auth::Basic(basic)) => (basic.as_ref().and_then(|basic| basic.password.as_ref()), "password"),
            Some(raw::Auth::OAuth2(oauth2)) => (oauth2.as_ref().and_then(|oauth2| oauth2.client_secret.as_ref()), "client_secret"),
        };
        look(secret, format!("`{key}` of `auth` of {of}"));
        for (name, value) in destination.headers.iter().filter(|(name, _)| mask::is_secret(name.text)) {
            look(Some(value).filter(|value| !value.text.contains("{{")), format!("the header {} of {of}", quote(name.text)));
        }
    }
}

/// Whether no part of it comes from elsewhere. What stands in for a variable is in the file too.
fn is_literal(text: &str) -> bool {
    let mut rest = text.replace("$${", "");
    let mut is_elsewhere = false;
    while let Some((_, after)) = rest.split_once("${") {
        let (inner, after) = after.split_once('}').unwrap_or((after, ""));
        if inner.split_once(":-").is_some_and(|(_, default)| !default.is_empty()) {
            return true;
        }
        is_elsewhere = true;
        rest = after.to_owned();
    }
    !is_elsewhere && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_literal_unless_a_variable_or_file_is_in_it() {
        for (text, literal) in [
            ("abc", true),
            ("", false),
            ("${KEY}", false),
            ("${file:/run/key}", false),
            ("Bearer ${KEY}", false),
            ("${KEY:-abc}", true),
            ("${KEY:-}", false),
            ("$${KEY}", true),
            ("$${a}${KEY}", false),
            ("${A}${B:-c}", true),
        ] {
            assert_eq!(is_literal(text), literal, "{text}");
        }
    }

    #[test]
    fn headers_that_hold_secrets_are_known_by_their_name() {
        for (header, secret) in [
            ("Authorization", true),
            ("x-api-key", true),
            ("X_API_KEY", true),
            ("x-auth-token", true),
            ("cookie", true),
            ("x-tenant", false),
            ("idempotency-key", false),
            ("content-type", false),
        ] {
            assert_eq!(mask::is_secret(header), secret, "{header}");
        }
    }
}

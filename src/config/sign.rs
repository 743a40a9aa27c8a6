//! Checks `sign` of a destination.

use super::{
    diagnostics::Code,
    interpolate::{Origin, Purpose, Value},
    raw,
    sources::DEV_SECRET,
    values::Checks,
};
use crate::domain::{
    secret::Secret,
    standard_webhooks::{self, KeyError},
};

/// The schemes there are.
pub const SCHEMES: [(&str, ()); 1] = [("standard-webhooks", ())];
const MOST: usize = 3;

/// The secrets that a destination's deliveries are signed with. What is wrong with one is said.
pub fn sign(raw: &raw::Sign<'_>, of: &str, checks: &mut Checks<'_>) -> Vec<Secret> {
    if let Some(value) = checks.setting(raw.scheme) {
        checks.word(&value, &format!("`scheme` of `sign` of {of}"), &SCHEMES);
    }
    let scalars = raw.secret.as_deref().unwrap_or_default();
    if let Some(given) = &raw.secret
        && !(1..=MOST).contains(&given.len())
    {
        let message = format!("`secret` of `sign` of {of} wants 1 to {MOST} secrets, found {}", given.len());
        let at = given.first().or(raw.scheme.as_ref()).map_or(raw.at, |scalar| scalar.span);
        checks.problems.error(Code::WeakSecret, at, message);
    }
    let mut secrets: Vec<Secret> = Vec::with_capacity(scalars.len());
    for scalar in scalars {
        let Some(value) = checks.interpolator.value(*scalar, Purpose::Key, &mut checks.problems) else { continue };
        let secret = Secret::new(&*value.text);
        let wrong = problem(&value, &secret).or_else(|| secrets.contains(&secret).then(|| "is there twice".to_owned()));
        match (wrong, value.origin) {
            (None, _) => secrets.push(secret),
            // What stands in for a variable that is not set is no such secret.
            (Some(_), Origin::Unset) if secrets.is_empty() => secrets.push(Secret::new(DEV_SECRET)),
            (Some(_), Origin::Unset) => {}
            (Some(wrong), Origin::Written(_) | Origin::Interpolated) => {
                let hint = "it is `whsec_` and base64 of 24 random bytes or more: `echo \"whsec_$(openssl rand -base64 32)\"` makes one";
                checks.say(&value, Code::WeakSecret, format!("a secret of `sign` of {of} {wrong}"), Some(hint.to_owned()));
            }
        }
    }
    secrets
}

fn problem(value: &Value<'_>, secret: &Secret) -> Option<String> {
    if value.text.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    if value.text.trim() != value.text {
        return Some("has white space at its start or end".to_owned());
    }
    standard_webhooks::key(secret).err().map(|error: KeyError| error.to_string())
}

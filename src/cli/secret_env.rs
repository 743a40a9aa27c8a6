//! Secrets by the name of the environment variable that holds them, so that none is ever an argument.

use super::exit::UsageError;
use crate::domain::secret::Secret;

/// The secret in the variable of that name.
///
/// # Errors
/// The variable is not set or empty; or the text is no name, and then it may be the secret itself and is not shown.
pub fn read(variable: &str) -> Result<Secret, UsageError> {
    let is_name =
        variable.bytes().enumerate().all(|(at, byte)| byte.is_ascii_alphabetic() || byte == b'_' || at > 0 && byte.is_ascii_digit());
    if variable.is_empty() || !is_name {
        return Err(UsageError::NotAVariable);
    }
    let secret = std::env::var(variable).ok().filter(|secret| !secret.is_empty());
    secret.map(Secret::new).ok_or_else(|| UsageError::SecretUnset(variable.into()))
}

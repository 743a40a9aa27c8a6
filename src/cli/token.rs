//! Finds the token of the admin API: in the environment, else where the gateway put it.

use crate::{domain::secret::Secret, store};
use std::path::Path;

/// The token, where there is one, and a text that says where it is from or why there is none.
#[derive(Debug)]
pub struct Token {
    /// The token.
    pub secret: Option<Secret>,
    /// Begins with `from` or `none`.
    pub origin: String,
}

impl Token {
    /// From `$HOOKGATE_ADMIN_TOKEN`, else from `admin-token` in the store's folder.
    pub fn find(folder: &Path) -> Self {
        if let Some(token) = std::env::var("HOOKGATE_ADMIN_TOKEN").ok().filter(|token| !token.is_empty()) {
            return Self { secret: Some(Secret::new(token)), origin: "from HOOKGATE_ADMIN_TOKEN".to_owned() };
        }
        let file = folder.join(store::token::TOKEN_FILE);
        match store::token::read(folder) {
            Ok(secret) => Self { secret: Some(secret), origin: format!("from {}", file.display()) },
            Err(cause) => Self { secret: None, origin: format!("none: HOOKGATE_ADMIN_TOKEN is not set, and {}: {cause}", file.display()) },
        }
    }
}

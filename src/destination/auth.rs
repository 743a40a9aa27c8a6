//! What a destination knows the gateway by, made into the header that says it.

use crate::domain::secret::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};

/// How requests are authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// A token that does not change.
    Bearer(Secret),
    /// A user's name and password.
    Basic {
        /// The name; without a colon.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// A token that is fetched, and fetched again before it ends.
    OAuth2(Box<ClientCredentials>),
}

/// Client credentials of OAuth 2.0 (RFC 6749, 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Where tokens are fetched: absolute, `http` or `https`.
    pub token_url: Uri,
    /// Who asks.
    pub client_id: Secret,
    /// What proves it.
    pub client_secret: Secret,
    /// What is asked for, in words separated by spaces.
    pub scope: Option<Box<str>>,
}

impl Auth {
    /// The header, where it is always the same; `None` where it is not, or where HTTP cannot carry it.
    pub(super) fn fixed(&self) -> Option<HeaderValue> {
        match self {
            Self::Bearer(token) => bearer(token.expose()),
            Self::Basic { user, password } => basic(format!("{}:{}", user.expose(), password.expose()).as_bytes()),
            Self::OAuth2(_) => None,
        }
    }
}

impl ClientCredentials {
    /// How the client shows who it is: both parts encoded as in a form, then as user and password (RFC 6749, 2.3.1).
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let encoded = |secret: &Secret| form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect::<String>();
        basic(format!("{}:{}", encoded(&self.client_id), encoded(&self.client_secret)).as_bytes())
    }
}

/// The header with a token.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

/// The header that a url's user-info (`https://user:password@host`) stands for.
pub(super) fn of_url(user_info: &str) -> Option<HeaderValue> {
    let mut credentials: Vec<u8> = percent_encoding::percent_decode_str(user_info).collect();
    if !credentials.contains(&b':') {
        credentials.push(b':');
    }
    basic(&credentials)
}

fn basic(credentials: &[u8]) -> Option<HeaderValue> {
    sensitive(&format!("Basic {}", STANDARD.encode(credentials)))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_becomes_a_basic_authorization() {
        for (user_info, header) in [
            ("Aladdin:open%20sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("token", "Basic dG9rZW46"),
            ("a:b", "Basic YTpi"),
            ("a:%C3%A9%zz", "Basic YTrDqSV6eg=="),
        ] {
            let value = of_url(user_info).unwrap();
            assert_eq!(value, header, "{user_info}");
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn tokens_and_passwords_become_the_header_of_their_scheme_and_are_not_shown() {
        let secret = |text: &str| Secret::new(text);
        let bearer = Auth::Bearer(secret("mF_9.B5f-4.1JqM"));
        let basic = Auth::Basic { user: secret("Aladdin"), password: secret("open sesame") };
        assert_eq!(bearer.fixed().unwrap(), "Bearer mF_9.B5f-4.1JqM");
        assert_eq!(basic.fixed().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{bearer:?} {basic:?}"), "Bearer(***) Basic { user: ***, password: *** }");
        assert_eq!(Auth::Bearer(secret("a\nb")).fixed(), None);
    }

    #[test]
    fn a_client_is_encoded_as_a_form_before_it_is_a_user() {
        let client = ClientCredentials {
            token_url: Uri::from_static("https://id.internal/token"),
            client_id: Secret::new("shop: 1"),
            client_secret: Secret::new("a+b%é"),
            scope: None,
        };
        // `shop%3A+1:a%2Bb%25%C3%A9`
        assert_eq!(client.header().unwrap(), "Basic c2hvcCUzQSsxOmElMkJiJTI1JUMzJUE5");
    }
}

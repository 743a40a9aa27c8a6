//! Credentials that a url carries (`https://user:password@host`), made into the header they stand for.

use http::HeaderValue;

/// The `authorization` header of a url's user-info.
pub(super) fn basic(user_info: &str) -> Option<HeaderValue> {
    let mut credentials = percent_decoded(user_info);
    if !credentials.contains(&b':') {
        credentials.push(b':');
    }
    let mut value = HeaderValue::from_bytes(format!("Basic {}", base64(&credentials)).as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()
        });
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
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
            let value = basic(user_info).unwrap();
            assert_eq!(value, header, "{user_info}");
            assert!(value.is_sensitive());
        }
    }
}

//! Signing a payload as the provider would, and saying why a signature does not hold. For the command line.

use super::{
    anomaly,
    fields::{NAMES, Top},
    normalise,
};
use crate::{
    domain::{
        json::{Document, Kind, Value},
        secret::Secret,
    },
    provider::{
        Check, SignError, Verification,
        signature::{Keys, Signature},
    },
};
use bytes::Bytes;

/// The payload with the signature added or replaced; all else stays byte for byte.
///
/// # Errors
/// There is nothing to sign; see [`SignError`].
pub fn sign(payload: &[u8], secret: &Secret) -> Result<Vec<u8>, SignError> {
    let document = Document::read(Bytes::copy_from_slice(payload));
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err(SignError::NotAnObject);
    }
    let top = Top::of(root);
    let message = top.message().ok_or(SignError::NoText)?;
    let signature = format!("\"{}\"", Signature::of(&message, secret).to_hex());
    let (range, text) = match top.signature {
        Some(old) => (old.range(), signature),
        None => addition(payload, root, &signature),
    };
    Ok([&payload[..range.start], text.as_bytes(), &payload[range.end..]].concat())
}

/// The new member and its place: after the last one, laid out as that one is.
fn addition(payload: &[u8], root: Value<'_>, signature: &str) -> (std::ops::Range<usize>, String) {
    let begin = root.range().start + 1;
    let Some((_, last)) = root.entries().last() else {
        return (begin..begin, format!("\"signature\":{signature}"));
    };
    let space =
        |text: &[u8]| String::from_utf8_lossy(&text[..text.iter().take_while(|byte| byte.is_ascii_whitespace()).count()]).into_owned();
    let before_value = &payload[..last.range().start];
    let colon = before_value.iter().rposition(|byte| *byte == b':').map_or(before_value.len(), |colon| colon + 1);
    let text = format!(",{}\"signature\":{}{signature}", space(&payload[begin..]), space(&payload[colon..]));
    (last.range().end..last.range().end, text)
}

/// Says whether and why a payload's signature holds.
pub fn verify(payload: &[u8], secrets: &[Secret]) -> Verification {
    let document = Document::read(Bytes::copy_from_slice(payload));
    let top = Top::of(document.root());
    let message = top.message();
    let given = top.signature.and_then(Value::text).map(|text| Signature::parse(&text).ok_or(text.chars().count()));
    let check = match (given, &message) {
        _ if document.root().kind() != Kind::Object => Check::NotAnObject { flaw: document.flaw() },
        (None, _) if top.signature.is_none() => Check::NoSignature,
        (None, _) => Check::NotHexadecimal { length: None },
        (Some(Err(length)), _) => Check::NotHexadecimal { length: Some(length) },
        (Some(Ok(_)), None) => Check::NoText,
        (Some(Ok(signature)), Some(message)) => {
            let key = secrets.iter().position(|secret| Keys::new([secret]).verify(&[message], &[signature]));
            let anomaly = anomaly::find(&document, &top, normalise::kind(&top));
            key.map_or(Check::Wrong { keys: secrets.len() }, |key| Check::Holds { key, anomaly })
        }
    };
    let fields = top.present().map(|(place, text)| (NAMES[place], text.to_owned())).collect();
    Verification { check, fields, message: message.map(|message| String::from_utf8_lossy(&message).into_owned()) }
}

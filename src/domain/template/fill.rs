//! Values for places: what they are, and how they are kept one value where they are put.

use super::{Form, Found, Known, Place, Source, Values};
use crate::domain::{
    decimal::{MAX_DIGITS, Plain},
    json::Kind,
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{borrow::Cow, fmt::Write};

/// All but the unreserved letters of RFC 3986, 2.3: such a value is one segment of a path, or one value of a query.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What would end a header, or is read differently by different programs.
const NOT_IN_HEADERS: &AsciiSet = &CONTROLS.add(b'%');

impl Place {
    /// As it stands in a text.
    pub(super) fn text<'a>(&self, values: Values<'a>) -> Cow<'a, str> {
        match self.form {
            Form::Text => self.source.text(values).unwrap_or_default(),
            Form::Number | Form::Json => self.json(values).into(),
        }
    }

    /// As it stands for a whole value of a JSON text.
    pub(super) fn json(&self, values: Values<'_>) -> String {
        match self.form {
            Form::Text => quoted(&self.source.text(values).unwrap_or_default()),
            Form::Number => self.source.text(values).and_then(|text| number(&text)).unwrap_or_else(|| "null".to_owned()),
            Form::Json => self.source.raw(values).unwrap_or_else(|| "null".to_owned()),
        }
    }
}

impl Source {
    fn text<'a>(&self, values: Values<'a>) -> Option<Cow<'a, str>> {
        let Values { event, attempt } = values;
        match self {
            Self::Field(field) => match field.find(event) {
                Found::Text(text) => Some(text),
                Found::Absent | Found::Textless => None,
            },
            Self::Known(Known::Event) => Some(event.id.to_string().into()),
            Self::Known(Known::Source) => Some(Cow::Borrowed(&event.source)),
            Self::Known(Known::Attempt) => Some(attempt.to_string().into()),
            Self::Known(Known::ReceivedAt) => Some(event.received_at.to_string().into()),
        }
    }

    /// As the payload writes it, where that is JSON by the letter; else its text, quoted.
    fn raw(&self, values: Values<'_>) -> Option<String> {
        if let Self::Field(super::Field::Path(path)) = self {
            let value = path.find(values.event.payload.root()).filter(|value| value.kind() != Kind::Null)?;
            let is_strict = serde_json::from_slice::<serde::de::IgnoredAny>(value.raw()).is_ok();
            if let (true, Ok(raw)) = (is_strict, std::str::from_utf8(value.raw())) {
                return Some(raw.to_owned());
            }
        }
        Some(quoted(&self.text(values)?))
    }
}

/// The text as a JSON number, digit by digit: never through a float. `None` where it is none.
fn number(text: &str) -> Option<String> {
    if let Some(plain) = Plain::parse(text) {
        let whole: String = plain.whole.chars().filter(|letter| *letter != ',').collect();
        let whole = whole.trim_start_matches('0');
        let sign = if plain.negative { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if plain.fraction.is_empty() { "" } else { "." };
        return (whole.len() + plain.fraction.len() <= MAX_DIGITS).then(|| format!("{sign}{whole}{point}{}", plain.fraction));
    }
    // With an exponent, as a payload's number may be written.
    let is_number = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    (is_number && serde_json::from_str::<f64>(text).is_ok_and(f64::is_finite)).then(|| text.to_owned())
}

/// The text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// See [`super::Template::header`].
pub(super) fn header(value: &str, text: &mut String) {
    write_to(text, utf8_percent_encode(value, NOT_IN_HEADERS));
}

/// For the path and the query of a url.
pub(super) fn url(value: &str, text: &mut String) {
    write_to(text, utf8_percent_encode(value, RESERVED));
}

fn write_to(text: &mut String, value: impl std::fmt::Display) {
    write!(text, "{value}").expect("a text in memory takes everything");
}

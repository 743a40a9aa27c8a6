//! The fields of a payload that the gateway itself looks at: the 18 signed ones, and what tells the kinds apart.
//! Holds what each says and what was signed, not whether that is believed.

use crate::domain::json::{Kind, Value};
use std::borrow::Cow;

/// The signed fields in the order in which they are signed.
pub(super) const NAMES: [&str; 18] = [
    "amount",
    "currency_code",
    "customer_address_city",
    "customer_address_country",
    "customer_address_line1",
    "customer_address_line2",
    "customer_address_postal_code",
    "customer_address_state",
    "customer_email",
    "customer_first_name",
    "customer_last_name",
    "customer_phone",
    "gateway_account",
    "gateway_name",
    "order_no",
    "reference_number",
    "result",
    "state",
];

/// What is at the top level of a payload. Of a key that is there twice the last one counts, as for the provider.
#[derive(Debug, Default)]
pub(super) struct Top<'a> {
    /// In the order of [`NAMES`].
    pub signed: [Stated<'a>; NAMES.len()],
    pub signature: Option<Value<'a>>,
    pub operation: Option<Value<'a>>,
    pub txn: Option<Value<'a>>,
    pub success: Option<Value<'a>>,
    pub session_id: Option<Value<'a>>,
    pub is_sandbox: Option<Value<'a>>,
}

/// What a signed field says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Stated<'a> {
    /// Absent, null or `""`: no part of the message.
    #[default]
    Missing,
    /// Text.
    Text(Cow<'a, str>),
    /// An integer; zero is no part of the message.
    Integer(Cow<'a, str>),
    /// Not text, but the provider has a text for it; an empty one is no part of the message.
    Other(Cow<'a, str>),
    /// An array or object with something in it: no text is defined.
    Unknown,
}

impl<'a> Top<'a> {
    /// Of a payload's root.
    pub(super) fn of(root: Value<'a>) -> Self {
        let mut top = Self::default();
        for (key, value) in root.entries() {
            match &*key {
                "signature" => top.signature = Some(value),
                "operation" => top.operation = Some(value),
                "txn" => top.txn = Some(value),
                "success" => top.success = Some(value),
                "session_id" => top.session_id = Some(value),
                "is_sandbox" => top.is_sandbox = Some(value),
                name => {
                    if let Some(place) = place(name) {
                        top.signed[place] = Stated::of(value);
                    }
                }
            }
        }
        top
    }

    /// What a signed field says.
    pub(super) fn stated(&self, name: &str) -> &Stated<'a> {
        const NOTHING: &Stated<'static> = &Stated::Missing;
        place(name).map_or(NOTHING, |place| &self.signed[place])
    }

    /// The signed fields that are part of the message, with their text.
    pub(super) fn present(&self) -> impl Iterator<Item = (usize, &str)> {
        self.signed.iter().enumerate().filter_map(|(place, stated)| Some((place, stated.text()?)))
    }

    /// What the provider signs: each name followed by its value. `None` where a value has no text.
    pub(super) fn message(&self) -> Option<Vec<u8>> {
        if self.signed.contains(&Stated::Unknown) {
            return None;
        }
        let mut message = Vec::with_capacity(512);
        for (place, text) in self.present() {
            message.extend_from_slice(NAMES[place].as_bytes());
            message.extend_from_slice(text.as_bytes());
        }
        Some(message)
    }
}

impl<'a> Stated<'a> {
    fn of(value: Value<'a>) -> Self {
        let written = || String::from_utf8_lossy(value.raw());
        match value.kind() {
            Kind::Null => Self::Missing,
            Kind::String => match value.text() {
                Some(text) if !text.is_empty() => Self::Text(text),
                Some(_) | None => Self::Missing,
            },
            Kind::Number => {
                let text = written();
                if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
                    Self::Other(float(&text))
                } else {
                    Self::Integer(if text == "-0" { "0".into() } else { text })
                }
            }
            Kind::Bool => Self::Other(if value.raw() == b"true" { "True" } else { "" }.into()),
            Kind::Array | Kind::Object if value.index(0).is_none() && value.entries().next().is_none() => Self::Other("".into()),
            Kind::Array | Kind::Object => Self::Unknown,
            Kind::Word => match value.raw() {
                b"NaN" => Self::Other("nan".into()),
                b"Infinity" => Self::Other("inf".into()),
                b"-Infinity" => Self::Other("-inf".into()),
                _other => Self::Unknown,
            },
        }
    }

    /// Its text in the message; `None` where it is no part of it.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(text) => Some(&**text).filter(|text| *text != "0"),
            Self::Other(text) => Some(&**text).filter(|text| !text.is_empty()),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// Where in the order of signing. Names mostly differ in length, so going through all is faster than halving.
fn place(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// A float as Python writes it; zero, which it leaves out, is empty.
fn float(written: &str) -> Cow<'static, str> {
    let Ok(value) = written.parse::<f64>() else {
        return "".into();
    };
    if value == 0.0 {
        return "".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    if (1e-4..1e16).contains(&value.abs()) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { format!("{plain}.0") }.into();
    }
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
    format!("{digits}e{sign}{size:0>2}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::json::Document;

    #[test]
    fn names_are_in_the_order_in_which_they_are_signed() {
        assert!(NAMES.is_sorted());
    }

    /// The right-hand side was printed by Python.
    #[test]
    fn values_that_are_no_text_stand_as_python_writes_them() {
        for (json, text) in [
            ("12", Some("12")),
            ("-12", Some("-12")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("0", None),
            ("-0", None),
            ("true", Some("True")),
            ("false", None),
            ("null", None),
            ("\"\"", None),
            ("[]", None),
            ("{}", None),
            ("[0]", None),
            ("10.5", Some("10.5")),
            ("10.50", Some("10.5")),
            ("10.0", Some("10.0")),
            ("0.0", None),
            ("-0.0", None),
            ("1e2", Some("100.0")),
            ("0.0001", Some("0.0001")),
            ("0.00001", Some("1e-05")),
            ("1.5e-7", Some("1.5e-07")),
            ("1e15", Some("1000000000000000.0")),
            ("1e16", Some("1e+16")),
            ("-1.25e+100", Some("-1.25e+100")),
            ("1e999", Some("inf")),
            ("NaN", Some("nan")),
            ("-Infinity", Some("-inf")),
            ("nonsense", None),
        ] {
            let document = Document::read(format!("{{\"amount\":{json}}}").into());
            assert_eq!(Top::of(document.root()).stated("amount").text(), text, "{json}");
        }
    }

    #[test]
    fn a_value_without_any_text_leaves_nothing_to_verify() {
        for (json, has_message) in [("[1]", false), ("{\"a\":1}", false), ("[]", true), ("1", true), ("undefined", false)] {
            let document = Document::read(format!("{{\"order_no\":{json},\"state\":\"paid\"}}").into());
            assert_eq!(Top::of(document.root()).message().is_some(), has_message, "{json}");
        }
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_counts() {
        let document = Document::read(r#"{"state":"paid","st\u0061te":"failed","State":"cod"}"#.into());
        assert_eq!(Top::of(document.root()).message().as_deref(), Some(&b"statefailed"[..]));
    }
}

//! The JSON body that a destination gets in place of the bytes received.

use super::{Look, Piece, Template, Values, fill};
use crate::domain::field::Field;

/// A JSON value with templates for texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `null`, `true`, a number: JSON as it is written.
    Plain(Box<str>),
    /// A text. One place and nothing else is the value itself, so that `| number` gives a number and `| json` whatever it is.
    Text(Template),
    /// A list.
    List(Vec<Self>),
    /// A mapping, in the order of the rules file. Its keys are fixed.
    Map(Vec<(Box<str>, Self)>),
}

impl Body {
    /// The JSON text.
    pub fn fill(&self, values: Values<'_>) -> Vec<u8> {
        self.write(values, Look::Sent)
    }

    /// The same as it is shown: what was put in is masked.
    pub fn show(&self, values: Values<'_>) -> Vec<u8> {
        self.write(values, Look::Shown)
    }

    /// The fields of the event that it is filled from.
    pub fn fields(&self) -> Vec<&Field> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Text(template) => template.fields().collect(),
            Self::List(values) => values.iter().flat_map(Self::fields).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(_, value)| value.fields()).collect(),
        }
    }

    fn write(&self, values: Values<'_>, look: Look) -> Vec<u8> {
        let mut text = String::new();
        self.write_to(values, look, &mut text);
        text.into_bytes()
    }

    fn write_to(&self, values: Values<'_>, look: Look, text: &mut String) {
        match self {
            Self::Plain(plain) => text.push_str(plain),
            Self::Text(Template(pieces)) if let [Piece::Place(place)] = &pieces[..] => text.push_str(&place.json(values)),
            Self::Text(template) => text.push_str(&fill::quoted(&template.fill(values, look, |value, text| text.push_str(value)))),
            Self::List(list) => {
                text.push('[');
                for (place, value) in list.iter().enumerate() {
                    text.push_str(if place == 0 { "" } else { "," });
                    value.write_to(values, look, text);
                }
                text.push(']');
            }
            Self::Map(entries) => {
                text.push('{');
                for (place, (key, value)) in entries.iter().enumerate() {
                    text.push_str(if place == 0 { "" } else { "," });
                    text.push_str(&fill::quoted(key));
                    text.push(':');
                    value.write_to(values, look, text);
                }
                text.push('}');
            }
        }
    }
}

//! Payloads of any form: which place in them says what a rule calls `state`, `amount` and the like.

use super::Origin;
use crate::domain::{
    event::{Event, Fields, Flags, Kind, Normal, Verdict},
    id::EventId,
    json::Document,
    name::Name,
    path::Path,
    received::Received,
};
use http::header::CONTENT_TYPE;

/// Where in a payload the normalised fields are; what is not mapped is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping(Vec<(Normal, Path)>);

impl Mapping {
    /// The fields that can be mapped.
    pub fn names() -> impl Iterator<Item = Normal> {
        Normal::ALL.into_iter().filter(|name| place(&mut Fields::default(), *name).is_some())
    }

    /// Takes a field from a path.
    pub fn insert(&mut self, name: Normal, path: Path) {
        self.0.push((name, path));
    }

    /// Whether it says where the field is.
    pub fn has(&self, name: Normal) -> bool {
        self.0.iter().any(|(mapped, _)| *mapped == name)
    }

    /// The texts at the mapped places: of strings their text, of numbers and booleans what is written.
    pub(super) fn fields(&self, payload: &Document) -> Fields {
        let mut fields = Fields::default();
        for (name, path) in &self.0 {
            if let Some(place) = place(&mut fields, *name) {
                let text = path.find(payload.root()).and_then(|value| value.scalar_text());
                *place = text.filter(|text| !text.is_empty()).map(|text| text.into_owned().into());
            }
        }
        fields
    }

    /// Where the fields of an event were found. All of a body is signed.
    pub(super) fn origins(&self, event: &Event) -> Vec<Origin> {
        let place = |field| self.0.iter().rev().find(|(name, _)| *name == field).map(|(_, path)| path.to_string().into_boxed_str());
        let origin = |field| match field {
            Normal::Kind => {
                let (place, because) = match event.kind {
                    Kind::Payment => (place(Normal::State), "it has a `state`"),
                    Kind::Operation => (place(Normal::Operation), "it has no `state`, and an `operation`"),
                    Kind::Other => (None, "it has neither a `state` nor an `operation`, as `fields` of the source takes them"),
                };
                Origin { field, place, because: Some(because), signed: true }
            }
            field => Origin { field, place: place(field), because: None, signed: true },
        };
        Normal::ALL.into_iter().filter(|field| *field != Normal::From && event.normal(*field).is_some()).map(origin).collect()
    }

    /// The event of a request of which nothing is verified.
    pub(super) fn supposed(&self, source: &Name, received: &Received) -> Event {
        let id = EventId::unsigned(&received.body);
        Event { verified: false, ..self.event(source, received, id, Verdict::Accepted) }
    }

    /// The event of a request whose signature holds. A body that is no JSON has no fields, and is `other`.
    pub(super) fn event(&self, source: &Name, received: &Received, id: EventId, verdict: Verdict) -> Event {
        let payload = Document::read(received.body.clone());
        let fields = self.fields(&payload);
        Event {
            id,
            source: source.clone(),
            received_at: received.at,
            kind: kind(&fields),
            fields,
            payload,
            content_type: received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(Into::into),
            verified: true,
            verdict,
            flags: Flags::default(),
        }
    }
}

/// What an event is about, from what it says.
fn kind(fields: &Fields) -> Kind {
    match (&fields.state, &fields.operation) {
        (Some(_), _) => Kind::Payment,
        (None, Some(_)) => Kind::Operation,
        (None, None) => Kind::Other,
    }
}

/// Where the text of a field is kept; `None` for what no payload says.
fn place(fields: &mut Fields, name: Normal) -> Option<&mut Option<Box<str>>> {
    match name {
        Normal::From | Normal::Kind => None,
        Normal::State => Some(&mut fields.state),
        Normal::Result => Some(&mut fields.result),
        Normal::Operation => Some(&mut fields.operation),
        Normal::Amount => Some(&mut fields.amount),
        Normal::CurrencyCode => Some(&mut fields.currency_code),
        Normal::ReferenceNumber => Some(&mut fields.reference_number),
        Normal::SessionId => Some(&mut fields.session_id),
        Normal::OrderNo => Some(&mut fields.order_no),
        Normal::GatewayAccount => Some(&mut fields.gateway_account),
        Normal::GatewayName => Some(&mut fields.gateway_name),
        Normal::IsSandbox => Some(&mut fields.is_sandbox),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mapping: &[(Normal, &str)], payload: &str) -> (Kind, Fields) {
        let mut mapped = Mapping::default();
        mapping.iter().for_each(|(name, path)| mapped.insert(*name, Path::parse(path).expect(path)));
        let fields = mapped.fields(&Document::read(payload.to_owned().into()));
        (kind(&fields), fields)
    }

    #[test]
    fn texts_numbers_and_booleans_are_taken_as_they_are_written() {
        let mapping = [
            (Normal::State, "data.status"),
            (Normal::Operation, "type"),
            (Normal::Amount, "data.lines.1.amount"),
            (Normal::IsSandbox, "data.\"is.test\""),
            (Normal::OrderNo, "data.order"),
            (Normal::Result, "data"),
        ];
        let payload =
            r#"{"type":"payment.done","data":{"status":"paid","lines":[{"amount":1},{"amount":10.500}],"is.test":false,"order":null}}"#;
        let (kind, fields) = read(&mapping, payload);
        let text = |text: &str| Some(Box::from(text));
        let wanted = Fields {
            state: text("paid"),
            operation: text("payment.done"),
            amount: text("10.500"),
            is_sandbox: text("false"),
            ..Fields::default()
        };
        assert_eq!((kind, fields), (Kind::Payment, wanted));
    }

    #[test]
    fn the_kind_is_what_the_mapped_fields_say() {
        let mapping = [(Normal::State, "state"), (Normal::Operation, "operation")];
        for (payload, wanted) in [
            (r#"{"state":"paid","operation":"refund"}"#, Kind::Payment),
            (r#"{"state":"","operation":"refund"}"#, Kind::Operation),
            (r#"{"state":null,"operation":"refund"}"#, Kind::Operation),
            (r#"{"state":["paid"],"operation":""}"#, Kind::Other),
            (r#"{"amount":"1"}"#, Kind::Other),
            (r#"["state"]"#, Kind::Other),
            ("state=paid", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(read(&mapping, payload).0, wanted, "{payload}");
        }
        assert_eq!(read(&[], r#"{"state":"paid"}"#), (Kind::Other, Fields::default()), "nothing is taken that is not mapped");
    }

    #[test]
    fn every_field_but_the_two_that_no_payload_says_can_be_mapped() {
        let names: Vec<_> = Mapping::names().collect();
        assert_eq!(names, Normal::ALL[2..]);
        for name in names {
            let (_, fields) = read(&[(name, "x")], r#"{"x":"y"}"#);
            let mut expected = Fields::default();
            *place(&mut expected, name).expect("it can be mapped") = Some("y".into());
            assert_eq!(fields, expected, "{name:?}");
        }
    }
}

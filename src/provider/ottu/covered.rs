//! Which fields of an event the signature leaves open.

use super::fields;
use crate::domain::{
    event::{Kind, Normal},
    field::Field,
};

/// The places in the payload that say the field and are not signed.
pub(in super::super) fn changeable(kind: Kind, field: &Field) -> Vec<String> {
    let places: &[&str] = match (field, kind) {
        (Field::Path(path), _) => {
            let steps: Vec<_> = path.steps().collect();
            let is_signed = matches!(steps[..], [name] if fields::NAMES.contains(&name));
            return if is_signed { Vec::new() } else { vec![steps.join(".")] };
        }
        (Field::Normal(Normal::Operation), Kind::Operation) => &["operation", "txn.state"],
        (Field::Normal(Normal::Operation), Kind::Payment | Kind::Other) => &["operation"],
        // An operation event cannot be given a `state` at its top: that would be signed, and make it a payment.
        (Field::Normal(Normal::State), Kind::Operation) => &["txn.state"],
        (Field::Normal(Normal::CurrencyCode), Kind::Operation) => &["txn.currency_code"],
        (Field::Normal(Normal::SessionId), Kind::Payment | Kind::Operation | Kind::Other) => &["session_id"],
        (Field::Normal(Normal::IsSandbox), Kind::Payment | Kind::Operation | Kind::Other) => &["is_sandbox"],
        (
            Field::Normal(
                Normal::From
                | Normal::Kind
                | Normal::State
                | Normal::Result
                | Normal::Amount
                | Normal::CurrencyCode
                | Normal::ReferenceNumber
                | Normal::OrderNo
                | Normal::GatewayAccount
                | Normal::GatewayName,
            ),
            Kind::Payment | Kind::Operation | Kind::Other,
        ) => &[],
    };
    places.iter().map(|place| (*place).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As provider-ottu's table of fields and its list of signed ones say.
    #[test]
    fn what_is_not_signed_can_be_changed() {
        for (kind, name, places) in [
            (Kind::Payment, "state", &[][..]),
            (Kind::Payment, "operation", &["operation"]),
            (Kind::Payment, "currency_code", &[]),
            (Kind::Operation, "state", &["txn.state"]),
            (Kind::Operation, "operation", &["operation", "txn.state"]),
            (Kind::Operation, "currency_code", &["txn.currency_code"]),
            (Kind::Operation, "amount", &[]),
            (Kind::Operation, "result", &[]),
            (Kind::Operation, "order_no", &[]),
            (Kind::Operation, "reference_number", &[]),
            (Kind::Payment, "kind", &[]),
            (Kind::Payment, "from", &[]),
            (Kind::Payment, "gateway_name", &[]),
            (Kind::Payment, "session_id", &["session_id"]),
            (Kind::Other, "is_sandbox", &["is_sandbox"]),
            (Kind::Payment, "customer_email", &[]),
            (Kind::Payment, "body.state", &[]),
            (Kind::Payment, "body.operation", &["operation"]),
            (Kind::Payment, "txn.state", &["txn.state"]),
            (Kind::Payment, "pg_params.card_type", &["pg_params.card_type"]),
            (Kind::Payment, "state.code", &["state.code"]),
        ] {
            let field = Field::parse(name).expect(name);
            assert_eq!(changeable(kind, &field), places, "{kind:?} {name}");
        }
    }
}

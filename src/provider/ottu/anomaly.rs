//! What is wrong with a payload although its signature holds. Such an event is kept for a human: the signature covers
//! 18 fields without delimiters, and parsers differ, so that more than one payload can have it.

use super::fields::{NAMES, Stated, Top};
use crate::domain::{
    decimal::Plain,
    event::{Kind, Reason},
    json::{Document, Value},
};

/// Where an integer is usual and its text is clear.
const INTEGERS: [&str; 3] = ["order_no", "customer_phone", "customer_address_postal_code"];

/// The names without an underscore: words that may stand in any text.
const UNBROKEN: [&str; 3] = ["amount", "result", "state"];

/// A name can begin in a value and end in the name that follows: `order_no` does in `…order_n` before `order_no`. How a value
/// ends before such a name, and the fields whose value begins with the rest of one.
pub(super) const HEADS: [&str; 3] = ["customer_address_", "order_n", "reference_numbe"];
pub(super) const TAILS: [(&str, &str); 3] =
    [("order_no", "rder_no"), ("reference_number", "eference_number"), ("reference_number", "esult")];

/// Whether the signed fields have a fault, in an event of that kind.
type Check = fn(&Top<'_>, Kind) -> bool;

/// The first anomaly in the order of the contract.
pub(super) fn find(document: &Document, top: &Top<'_>, kind: Kind) -> Option<Reason> {
    if let Some(reason) = strictness(document) {
        return Some(reason);
    }
    if top.present().next().is_none() {
        return Some(Reason::EmptyMessage);
    }
    let checks: [(Reason, Check); 6] = [
        (Reason::SignedType, is_of_wrong_type),
        (Reason::ControlCharacter, has_control_character),
        (Reason::Amount, has_odd_amount),
        (Reason::Currency, has_odd_currency),
        (Reason::StateOrResult, has_odd_state_or_result),
        (Reason::Ambiguous, is_ambiguous),
    ];
    let twins = keys(document.root(), top.txn);
    twins.or_else(|| checks.into_iter().find(|(_, is_odd)| is_odd(top, kind)).map(|(reason, _)| reason))
}

/// What makes parsers differ, whoever sent the event.
pub(super) fn structure(document: &Document, top: &Top<'_>) -> Option<Reason> {
    strictness(document).or_else(|| keys(document.root(), top.txn))
}

/// Whether an integer stands where text is usual, and is accepted there.
pub(super) fn is_typed(top: &Top<'_>) -> bool {
    INTEGERS.iter().any(|name| matches!(top.stated(name), Stated::Integer(_)))
}

fn strictness(document: &Document) -> Option<Reason> {
    document.flaw().map(|_| Reason::NotStrictJson)
}

fn keys(root: Value<'_>, txn: Option<Value<'_>>) -> Option<Reason> {
    let (top, inner) = (twins(root), txn.map_or(Twins::None, twins));
    match (top, inner) {
        (Twins::Same, _) | (_, Twins::Same) => Some(Reason::DuplicateKey),
        (Twins::Case, Twins::Case | Twins::None) => Some(Reason::CaseTwin),
        (Twins::None, Twins::Case | Twins::None) => None,
    }
}

#[derive(Clone, Copy)]
enum Twins {
    /// A key is there twice.
    Same,
    /// Two keys differ in case only.
    Case,
    None,
}

fn twins(object: Value<'_>) -> Twins {
    let mut keys: Vec<_> = object.entries().map(|(key, _)| key).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Twins::Same;
    }
    if keys.iter().all(|key| key.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())) {
        return Twins::None;
    }
    let mut folded: Vec<_> = keys.iter().map(|key| folded(key)).collect();
    folded.sort_unstable();
    if folded.windows(2).any(|pair| pair[0] == pair[1]) { Twins::Case } else { Twins::None }
}

/// A key as parsers see it that do not tell upper from lower case. Some of them take `ſ` for `s` and the Kelvin sign for `k`.
pub(super) fn folded(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn is_of_wrong_type(top: &Top<'_>, _kind: Kind) -> bool {
    NAMES.iter().zip(&top.signed).any(|(name, stated)| match stated {
        Stated::Missing | Stated::Text(_) => false,
        Stated::Integer(_) => !INTEGERS.contains(name),
        Stated::Other(_) | Stated::Unknown => true,
    })
}

fn has_control_character(top: &Top<'_>, _kind: Kind) -> bool {
    top.present().any(|(place, text)| {
        let may_have_lines = NAMES[place].starts_with("customer_");
        text.chars().any(|char| char == '\0' || (char.is_control() && !may_have_lines))
    })
}

fn has_odd_amount(top: &Top<'_>, kind: Kind) -> bool {
    let is_absent = |amount: &str| kind == Kind::Operation && amount == "None";
    top.stated("amount").text().is_some_and(|amount| Plain::parse(amount).is_none() && !is_absent(amount))
}

fn has_odd_currency(top: &Top<'_>, _kind: Kind) -> bool {
    let is_odd = |code: &str| code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_alphabetic());
    top.stated("currency_code").text().is_some_and(is_odd)
}

fn has_odd_state_or_result(top: &Top<'_>, _kind: Kind) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'.' | b'-');
    let is_odd = |text: &str| text.len() > 64 || !text.bytes().all(is_usual);
    ["state", "result"].into_iter().any(|name| top.stated(name).text().is_some_and(is_odd))
}

/// Whether the message could be the one of another payload. The contract asks for a value that contains (a) the name of a
/// field that sorts after its own, up to and including the next one present, or (b) the name with an underscore of a field
/// that is missing. That lets some readings through, so this asks for more, which no genuine value says either:
///
/// - the name with an underscore of any field, be it there or not: `gateway_name` after a text that ends with it
///   would be a field whose value begins with its own name;
/// - in `state` and `result`, which are no prose, the name of a missing field also without an underscore, and such a name with
///   a letter behind it: after a text that ends with `state`, a genuine `result` would be part of a `state`;
/// - a name across the border of a value and the name behind or before it, see [`HEADS`] and [`TAILS`].
///
/// So of all payloads with one message at most one is accepted. It can be another one than was signed only where that one is
/// ambiguous itself: nothing in the other tells it from a genuine payload.
fn is_ambiguous(top: &Top<'_>, _kind: Kind) -> bool {
    let is_present = top.signed.each_ref().map(|stated| stated.text().is_some());
    top.present().any(|(own, text)| {
        let next = (own + 1..NAMES.len()).find(|place| is_present[*place]).unwrap_or(NAMES.len() - 1);
        let is_word = matches!(NAMES[own], "state" | "result");
        let has_underscore = text.contains('_');
        let contains = NAMES.iter().enumerate().filter(|(_, name)| name.len() <= text.len()).any(|(place, name)| {
            if !UNBROKEN.contains(name) {
                return has_underscore && text.contains(name);
            }
            let follows = (own + 1..=next).contains(&place);
            let is_missing = is_word && !is_present[place];
            ((follows || is_missing) && text.contains(name)) || (is_word && begins_a_word(text, name))
        });
        contains
            || (has_underscore && HEADS.iter().any(|head| text.ends_with(head)))
            || TAILS.iter().any(|(name, tail)| *name == NAMES[own] && text.starts_with(tail))
    })
}

/// Whether a name is in a text with a letter right behind it.
fn begins_a_word(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| text.as_bytes().get(at + name.len()).is_some_and(u8::is_ascii_alphabetic))
}

//! How the words of the domain stand in rows: codes, plans, bodies. No query.

use super::names::Names;
use crate::domain::{
    attempt::{Attempt, AttemptResult},
    clock::Timestamp,
    delivery::DeliveryStatus,
    event::{Flags, Kind},
    id::EventId,
    name::Name,
    plan::{Plan, Respond, Routing, Target, Wait},
};
use bytes::Bytes;
use rusqlite::{
    Connection, Result, Row, ToSql,
    types::{ToSqlOutput, Type, ValueRef},
};
use std::time::Duration;

/// The first byte of a stored body: how it is kept. Compressed and sealed forms get the next numbers.
const PLAIN: u8 = 0;

/// Nearly all bodies have this type; it stands as a number.
const USUAL_CONTENT_TYPE: &str = "application/json";

/// A row that this program would not have written.
pub(super) fn damaged(what: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, what.into().into())
}

/// Bits of `delivery.repeated`: what is told of one delivery beside the flags of its event.
/// It was delivered, and is sent again since the same bytes came again.
pub(super) const REPEATED: i64 = 1;

/// An operator has it sent again.
pub(super) const REPLAYED: i64 = 1 << 1;

/// It goes after a later one that is in order with it, or without an earlier one.
pub(super) const OUT_OF_ORDER: i64 = 1 << 2;

/// Of a dead letter: the one behind it was let go. The index `unpassed` rests on this number.
pub(super) const PASSED: i64 = 1 << 3;

/// Its destination has taken it, and an operator has it sent again.
pub(super) const DELIVERED: i64 = 1 << 4;

/// What its destination is told of a delivery's bits.
pub(super) fn delivery_flags(bits: i64) -> Flags {
    let told = [(REPEATED, Flags::REPEATED), (REPLAYED, Flags::REPLAYED), (OUT_OF_ORDER, Flags::OUT_OF_ORDER)];
    told.into_iter().filter(|(bit, _)| bits & bit != 0).fold(Flags::default(), |flags, (_, flag)| flags.with(flag))
}

/// The code of a state. The indexes of the schema rest on these numbers.
pub(super) const fn status_code(status: DeliveryStatus) -> i64 {
    match status {
        DeliveryStatus::Waiting => 0,
        DeliveryStatus::Retrying => 1,
        DeliveryStatus::Delivered => 2,
        DeliveryStatus::Dead => 3,
        DeliveryStatus::Parked => 4,
        DeliveryStatus::Discarded => 5,
    }
}

/// The state of a code.
pub(super) fn status(code: i64) -> Result<DeliveryStatus> {
    use DeliveryStatus::{Dead, Delivered, Discarded, Parked, Retrying, Waiting};
    let all = [Waiting, Retrying, Delivered, Dead, Parked, Discarded];
    all.into_iter().find(|status| status_code(*status) == code).ok_or_else(|| damaged(format!("no delivery has the state {code}")))
}

/// The code of a family of payload.
pub(super) const fn kind_code(kind: Kind) -> i64 {
    match kind {
        Kind::Payment => 0,
        Kind::Operation => 1,
        Kind::Other => 2,
    }
}

/// The family of payload of a code.
pub(super) fn kind(code: i64) -> Result<Kind> {
    Kind::ALL.into_iter().find(|kind| kind_code(*kind) == code).ok_or_else(|| damaged(format!("no event has the kind {code}")))
}

/// The code of a match.
pub(super) const fn routing_code(routing: Routing) -> i64 {
    match routing {
        Routing::Routed => 0,
        Routing::Dropped => 1,
        Routing::Unmatched => 2,
    }
}

/// The match of a code.
pub(super) fn routing(code: i64) -> Result<Routing> {
    let all = [Routing::Routed, Routing::Dropped, Routing::Unmatched];
    all.into_iter().find(|routing| routing_code(*routing) == code).ok_or_else(|| damaged(format!("no event has the routing {code}")))
}

/// The answer's code, as its column has it; of one that waits there is none until it is given.
pub(super) const NOT_ANSWERED: u16 = 0;

/// What the column of the answer's code has when the event is stored.
pub(super) fn answer_code(answer: &Respond) -> u16 {
    match answer {
        Respond::Now(code) => *code,
        Respond::After(_) => NOT_ANSWERED,
    }
}

/// The answer of an event, from its column and the wait in its plan.
pub(super) fn answer(code: u16, wait: Option<Wait>) -> Respond {
    wait.map_or(Respond::Now(code), Respond::After)
}

/// A plan as numbers of names: the targets, each with its rules, then all rules, and where the answer waits, for whom, for how
/// many milliseconds, and with which codes. Its routing and the answer's code have columns.
pub(super) fn pack_plan(connection: &Connection, names: &Names, plan: &Plan) -> Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(16);
    push(&mut packed, plan.targets.len() as u64);
    for target in &plan.targets {
        push(&mut packed, names.id(connection, &target.destination)? as u64);
        pack_names(connection, names, &target.rules, &mut packed)?;
    }
    pack_names(connection, names, &plan.rules, &mut packed)?;
    if let Some(Wait { destination, within, ok, otherwise }) = plan.answer.wait() {
        push(&mut packed, names.id(connection, destination)? as u64);
        push(&mut packed, u64::try_from(within.as_millis()).unwrap_or(u64::MAX >> 1));
        push(&mut packed, u64::from(*ok));
        push(&mut packed, u64::from(*otherwise));
    }
    Ok(packed)
}

fn pack_names(connection: &Connection, names: &Names, list: &[Name], packed: &mut Vec<u8>) -> Result<()> {
    push(packed, list.len() as u64);
    for name in list {
        push(packed, names.id(connection, name)? as u64);
    }
    Ok(())
}

/// A packed plan.
#[derive(Debug, PartialEq)]
pub(super) struct Unpacked {
    /// Where the event goes.
    pub(super) targets: Vec<Target>,
    /// All rules that matched.
    pub(super) rules: Vec<Name>,
    /// What its answer waits for.
    pub(super) wait: Option<Wait>,
}

/// What [`pack_plan`] packed.
pub(super) fn unpack_plan(names: &Names, mut packed: &[u8]) -> Result<Unpacked> {
    let mut targets = Vec::new();
    for _ in 0..pull(&mut packed)? {
        let destination = names.name(pull(&mut packed)? as i64)?;
        targets.push(Target { destination, rules: unpack_names(names, &mut packed)?, order: None });
    }
    let rules = unpack_names(names, &mut packed)?;
    let wait = if packed.is_empty() { None } else { Some(unpack_wait(names, &mut packed)?) };
    Ok(Unpacked { targets, rules, wait })
}

/// The plan of an event, of what its row has packed, its routing and the answer's code.
pub(super) fn plan(names: &Names, packed: &[u8], routing_code: i64, code: u16) -> Result<Plan> {
    let Unpacked { targets, rules, wait } = unpack_plan(names, packed)?;
    Ok(Plan { targets, rules, routing: routing(routing_code)?, answer: answer(code, wait) })
}

fn unpack_wait(names: &Names, packed: &mut &[u8]) -> Result<Wait> {
    let destination = names.name(pull(packed)? as i64)?;
    let within = Duration::from_millis(pull(packed)?);
    let mut code = || {
        let code = u16::try_from(pull(packed)?).ok().filter(|code| (200..600).contains(code));
        code.ok_or_else(|| damaged("an answer that waits has no code"))
    };
    Ok(Wait { destination, within, ok: code()?, otherwise: code()? })
}

fn unpack_names(names: &Names, packed: &mut &[u8]) -> Result<Vec<Name>> {
    (0..pull(packed)?).map(|_| names.name(pull(packed)? as i64)).collect()
}

/// The numbers of a packed plan's destinations.
pub(super) fn destinations(mut packed: &[u8]) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    for _ in 0..pull(&mut packed)? {
        found.push(pull(&mut packed)? as i64);
        for _ in 0..pull(&mut packed)? {
            pull(&mut packed)?;
        }
    }
    Ok(found)
}

/// Seven bits to a byte, the lowest first; the top bit says that more follow.
fn push(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        packed.push(number as u8 | 0x80);
        number >>= 7;
    }
    packed.push(number as u8);
}

fn pull(packed: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = packed.split_first().ok_or_else(|| damaged("a plan ends too early"))?;
        *packed = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged("a number in a plan is too long"))
}

/// A body as it is stored.
pub(super) fn pack_body(body: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(body.len() + 1);
    packed.push(PLAIN);
    packed.extend_from_slice(body);
    packed
}

/// A stored body.
pub(super) fn unpack_body(mut packed: Vec<u8>) -> Result<Bytes> {
    match packed.first() {
        Some(&PLAIN) => {
            packed.remove(0);
            Ok(packed.into())
        }
        Some(form) => Err(damaged(format!("a body is kept in form {form}, and this version of hookgate knows only form {PLAIN}"))),
        None => Err(damaged("a body lacks the byte that says how it is kept")),
    }
}

/// A content type on its way into a row.
pub(super) struct ContentType<'a>(pub(super) Option<&'a str>);

impl ToSql for ContentType<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            None => ToSqlOutput::Borrowed(ValueRef::Null),
            Some(USUAL_CONTENT_TYPE) => ToSqlOutput::Borrowed(ValueRef::Integer(1)),
            Some(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// A content type out of a row.
pub(super) fn content_type(value: ValueRef<'_>) -> Result<Option<Box<str>>> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(1) => Ok(Some(USUAL_CONTENT_TYPE.into())),
        ValueRef::Text(_) => Ok(Some(value.as_str()?.into())),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Err(damaged("a content type is no text")),
    }
}

/// A number that is never below zero.
pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| damaged("a count is below zero"))
}

/// An attempt from seven columns: number, at, duration, result, code, response, error.
pub(super) fn attempt(row: &Row<'_>, first: usize) -> Result<Option<Attempt>> {
    let Some(at) = row.get::<_, Option<i64>>(first + 1)? else {
        return Ok(None);
    };
    let result = row.get_ref(first + 3)?.as_str()?;
    Ok(Some(Attempt {
        number: row.get(first)?,
        at: Timestamp::from_millis(at),
        duration: Duration::from_millis(count(row, first + 2)?),
        result: AttemptResult::from_name(result).ok_or_else(|| damaged(format!("no attempt has the result `{result}`")))?,
        status: row.get(first + 4)?,
        response: row.get(first + 5)?,
        error: row.get(first + 6)?,
    }))
}

/// The id of the first event of a signature, from that of a later one and the other half of the first.
pub(super) fn sibling(id: EventId, first_body_half: Option<i64>) -> Option<EventId> {
    first_body_half.map(|half| EventId::from_halves(id.signature_half(), half as u64))
}

/// What a field and its value are found by. Two values may share it, so the event is compared as well.
pub(super) fn field_hash(field: u8, value: &str) -> i64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    std::iter::once(&field).chain(value.as_bytes()).fold(0xcbf2_9ce4_8422_2325, hash) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dictionary() -> (Connection, Names) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)").unwrap();
        let names = Names::load(&connection).unwrap();
        (connection, names)
    }

    proptest! {
        #[test]
        fn a_plan_is_read_back(
            targets in prop::collection::vec((0u16..300, prop::collection::vec(0u16..300, 0..4)), 0..5),
            rules in prop::collection::vec(0u16..300, 0..6),
            wait in prop::option::of((0u16..300, 0u64..600_000, 200u16..300, 200u16..300)),
        ) {
            let (connection, names) = dictionary();
            let list = |numbers: &[u16]| numbers.iter().map(|number| Name::unchecked(&format!("n{number}"))).collect::<Vec<_>>();
            let targets: Vec<_> =
                targets.iter().map(|(to, rules)| Target { destination: list(&[*to]).remove(0), rules: list(rules), order: None }).collect();
            let wait = wait.map(|(to, within, ok, otherwise)| {
                Wait { destination: list(&[to]).remove(0), within: Duration::from_millis(within), ok, otherwise }
            });
            let plan = Plan { targets, rules: list(&rules), routing: Routing::Routed, answer: answer(200, wait.clone()) };
            let packed = pack_plan(&connection, &names, &plan).unwrap();
            let numbers = destinations(&packed).unwrap();
            let read = Unpacked { targets: plan.targets.clone(), rules: plan.rules.clone(), wait };
            prop_assert_eq!(unpack_plan(&names, &packed).unwrap(), read);
            prop_assert_eq!(numbers.len(), plan.targets.len());
            for (number, target) in numbers.into_iter().zip(&plan.targets) {
                prop_assert_eq!(&names.name(number).unwrap(), &target.destination);
            }
        }

        #[test]
        fn damaged_plans_are_errors_not_panics(packed: Vec<u8>) {
            let (_, names) = dictionary();
            let _ = unpack_plan(&names, &packed);
            let _ = destinations(&packed);
        }

        #[test]
        fn a_body_is_read_back(body: Vec<u8>) {
            prop_assert_eq!(&unpack_body(pack_body(&body)).unwrap()[..], &body[..]);
        }
    }

    #[test]
    fn a_body_in_a_form_of_the_future_is_a_clear_error() {
        let error = unpack_body(vec![7, 1, 2]).unwrap_err().to_string();
        assert!(error.contains("kept in form 7"), "{error}");
        assert!(unpack_body(Vec::new()).is_err());
    }

    #[test]
    fn every_code_is_read_back() {
        for code in 0..6 {
            assert_eq!(status_code(status(code).unwrap()), code);
        }
        assert!(status(6).is_err() && kind(3).is_err() && routing(3).is_err());
        for code in 0..3 {
            assert_eq!(kind_code(kind(code).unwrap()), code);
            assert_eq!(routing_code(routing(code).unwrap()), code);
        }
    }
}

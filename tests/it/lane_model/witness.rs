//! The destination of the model: it answers by its mood, asks the reference about each attempt, and writes down what came of it.

use super::reference::{Counts, Gate, at_most_an_hour};
use hookgate::{
    deliver::Policy,
    destination::{Destination, Receipt, SendError, Sending},
    domain::{
        attempt::AttemptResult,
        clock::{Clock, Timestamp},
        delivery::{Delivery, Seq},
        event::Event,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::sleep;

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Takes(u16),
    Refuses(u16),
    AsksForTime(u16, &'static str),
    IsLate,
    HasNoAddress,
    RefusesToConnect,
    FailsTheHandshake,
    GivesNoToken,
    BreaksOff,
}

/// All but what is taken.
pub const FAILURES: [Answer; 20] = [
    Answer::Refuses(302),
    Answer::Refuses(400),
    Answer::Refuses(401),
    Answer::Refuses(404),
    Answer::Refuses(410),
    Answer::Refuses(431),
    Answer::Refuses(422),
    Answer::Refuses(429),
    Answer::Refuses(500),
    Answer::Refuses(503),
    Answer::AsksForTime(429, "20"),
    Answer::AsksForTime(429, "86400"),
    Answer::AsksForTime(503, "100"),
    Answer::AsksForTime(500, "30"),
    Answer::IsLate,
    Answer::HasNoAddress,
    Answer::RefusesToConnect,
    Answer::FailsTheHandshake,
    Answer::GivesNoToken,
    Answer::BreaksOff,
];

impl Answer {
    fn given(self) -> Result<Receipt, SendError> {
        let status =
            |status, retry_after: Option<&str>| SendError::Status { status, response: "".into(), retry_after: retry_after.map(Into::into) };
        Err(match self {
            Self::Takes(status) => return Ok(Receipt { status }),
            Self::Refuses(code) => status(code, None),
            Self::AsksForTime(code, time) => status(code, Some(time)),
            Self::IsLate => SendError::Timeout(LATE),
            Self::HasNoAddress => SendError::Dns { host: "orders.internal".into(), cause: "no such name".into() },
            Self::RefusesToConnect => SendError::Connect("refused".into()),
            Self::FailsTheHandshake => SendError::Tls("expired".into()),
            Self::GivesNoToken => SendError::Auth("answered 500".into()),
            Self::BreaksOff => SendError::Protocol("reset".into()),
        })
    }

    /// What the attempt has to be called.
    pub fn result(self) -> AttemptResult {
        match self {
            Self::Takes(_) => AttemptResult::Status2xx,
            Self::Refuses(status) | Self::AsksForTime(status, _) => AttemptResult::of_status(status),
            Self::IsLate => AttemptResult::Timeout,
            Self::HasNoAddress => AttemptResult::Dns,
            Self::RefusesToConnect => AttemptResult::Connect,
            Self::FailsTheHandshake => AttemptResult::Tls,
            Self::GivesNoToken => AttemptResult::Auth,
            Self::BreaksOff => AttemptResult::Protocol,
        }
    }

    /// The code, where it failed with one.
    pub fn refusal(self) -> Option<u16> {
        match self {
            Self::Refuses(status) | Self::AsksForTime(status, _) => Some(status),
            Self::Takes(_)
            | Self::IsLate
            | Self::HasNoAddress
            | Self::RefusesToConnect
            | Self::FailsTheHandshake
            | Self::GivesNoToken
            | Self::BreaksOff => None,
        }
    }

    /// For how long it asks to be left alone, with this delivery or with all.
    pub fn asked(self) -> Duration {
        match self {
            Self::AsksForTime(_, time) => at_most_an_hour(Duration::from_secs(time.parse().expect("a number"))),
            _ => Duration::ZERO,
        }
    }

    /// For how long with all.
    pub fn hold(self) -> Duration {
        if matches!(self.refusal(), Some(429 | 503)) { self.asked() } else { Duration::ZERO }
    }

    pub fn asks_for_time_only(self) -> bool {
        self.refusal() == Some(429) && !self.hold().is_zero()
    }

    /// Whether the destination is there, though it may not have this one event.
    pub fn shows_life(self, policy: &Policy) -> bool {
        let of_this_event = |status| {
            [400, 404, 409, 410, 413, 414, 415, 422, 431].contains(&status)
                || ((400..500).contains(&status) && policy.give_up_on.contains(status))
        };
        matches!(self, Self::Takes(_)) || self.asks_for_time_only() || self.refusal().is_some_and(of_this_event)
    }
}

const LATE: Duration = Duration::from_secs(10);

/// One attempt as it was seen.
#[derive(Debug, Clone)]
pub struct Tried {
    pub number: u32,
    pub life: usize,
    pub began: Timestamp,
    pub policy: Policy,
    pub ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub at: Timestamp,
    pub answer: Answer,
    pub counts: Counts,
}

/// All that was seen.
#[derive(Debug)]
pub struct Record {
    pub gate: Gate,
    /// Which process it is: 0, 1, …
    pub life: usize,
    pub clock: Clock,
    /// One of these comes next, by chance.
    pub mood: Vec<Answer>,
    pub chance: fastrand::Rng,
    /// The body of each event, in the order of acceptance.
    pub accepted: BTreeMap<Seq, String>,
    pub tried: BTreeMap<Seq, Vec<Tried>>,
}

/// One way to call the destination; a reload may bring another.
#[derive(Debug, Clone)]
pub struct Door(pub Arc<Mutex<Record>>);

impl Door {
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().expect("an attempt broke a rule; what is said above tells which")
    }
}

impl Destination for Door {
    fn send<'a>(&'a self, delivery: &'a Delivery, _: Option<&'a Event>) -> Sending<'a> {
        Box::pin(async move {
            let seq = delivery.event.seq;
            let (pass, place, answer, time) = self.record().begins(seq, delivery);
            sleep(time).await;
            self.record().ends(seq, place, pass, answer);
            answer.given()
        })
    }
}

impl Record {
    fn begins(&mut self, seq: Seq, delivery: &Delivery) -> (super::reference::Pass, usize, Answer, Duration) {
        let now = self.clock.now();
        let pass = self.gate.starts(now);
        assert_eq!(Some(delivery.body.as_ref()), self.accepted.get(&seq).map(String::as_bytes), "the bytes of the event");
        let answer = self.mood[self.chance.usize(..self.mood.len())];
        let time = if answer == Answer::IsLate { LATE } else { Duration::from_millis(self.chance.u64(1..3_000)) };
        let (policy, life) = (self.gate.policy.clone(), self.life);
        let tried = self.tried.entry(seq).or_default();
        let before = tried.iter().rev().find(|tried| tried.life == life);
        assert!(before.is_none_or(|tried| tried.ended.is_some()), "two attempts of one delivery at a time: {tried:?}");
        tried.push(Tried { number: delivery.attempt, life, began: now, policy, ended: None });
        (pass, tried.len() - 1, answer, time)
    }

    fn ends(&mut self, seq: Seq, place: usize, pass: super::reference::Pass, answer: Answer) {
        let at = self.clock.now();
        let tried = &mut self.tried.get_mut(&seq).expect("it has begun")[place];
        let counts = self.gate.ends(pass, &tried.policy, answer, at);
        tried.ended = Some(Ended { at, answer, counts });
    }
}

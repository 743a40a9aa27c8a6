//! New events: known or not, their rows, their leases.

use super::{
    super::{Appended, BODIES_PER_SIGNATURE, NewEvent},
    book::Draft,
    lanes::Kept,
    order::Turn,
    quarantine::Portion,
    rows::{self, ContentType},
    shared::Shared,
    work::Work,
};
use crate::domain::{
    delivery::{Accepted, HeldBody, Lease, Run, Seq},
    event::{Event, Fields, Flags, Reason, Verdict},
    id::EventId,
    name::Name,
    order::OrderKey,
    plan::{Plan, Respond, Target},
};
use bytes::Bytes;
use rusqlite::{OptionalExtension, Result, ToSql, params_from_iter};
use std::sync::Arc;

/// In the order of the columns; numbered, since SQLite looks named ones up one by one.
const INSERT_EVENT: &str = "INSERT INTO event VALUES
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)";

/// A day, in which there are at most [`BODIES_PER_SIGNATURE`] bodies of one signature.
const DAY: i64 = 86_400_000;

/// What a transaction made of an event; [`Placed::appended`] makes the answer of it after the commit.
pub(super) enum Placed {
    /// Stored, and leased for these targets.
    Stored { accepted: Arc<Accepted>, targets: Vec<Target>, deferred: Vec<Name>, body: Bytes, is_variant: bool },
    /// Known, and due again for these.
    Duplicate { seq: Seq, answer: Respond, lease: Option<Box<Lease>>, due: Vec<Name> },
    /// Its signature is known with another body.
    Variant { stored: bool },
}

impl Placed {
    /// The answer to the caller. Bodies go with it while there is room for them in memory.
    pub(super) fn appended(self, shared: &Shared) -> Appended {
        let (accepted, targets, deferred, body, is_variant) = match self {
            Self::Stored { accepted, targets, deferred, body, is_variant } => (accepted, targets, deferred, body, is_variant),
            Self::Duplicate { seq, answer, lease, due } => return Appended::Duplicate { seq, answer, lease, due },
            Self::Variant { stored } => return Appended::Variant { stored },
        };
        let size = u32::try_from(body.len()).ok();
        let held = || {
            let permit = shared.bodies.clone().try_acquire_many_owned(size?).ok()?;
            Some(HeldBody { bytes: body.clone(), permit })
        };
        let lease = |target: Target| Lease {
            event: accepted.clone(),
            destination: target.destination,
            rules: target.rules,
            attempts: 0,
            run: Run::default(),
            order: target.order,
            body: held(),
        };
        Appended::Stored { seq: accepted.seq, leases: targets.into_iter().map(lease).collect(), deferred, is_variant }
    }
}

/// What is known of an event's id.
enum Known {
    No,
    /// The very event.
    Same(i64),
    /// Other bodies of its signature: the first one with its body's half of the id, and how many there were within a day.
    Other {
        first: (i64, i64),
        recent: usize,
    },
}

/// As what an event is stored; with the other half of the first one's id, where one came before under its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Goes where the plan says.
    Accepted,
    /// The same, and flagged, since it says what the first one said.
    Renotified(i64),
    /// In quarantine.
    KeptBack(Reason, Option<i64>),
}

impl Standing {
    fn first(self) -> Option<i64> {
        match self {
            Self::Accepted => None,
            Self::Renotified(first) => Some(first),
            Self::KeptBack(_, first) => first,
        }
    }

    fn reason(self) -> Option<Reason> {
        match self {
            Self::Accepted | Self::Renotified(_) => None,
            Self::KeptBack(reason, _) => Some(reason),
        }
    }
}

/// Who wants a new delivery now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// An answer waits for it.
    WaitedFor,
    /// Nobody in particular.
    Usual,
}

/// The two halves of an id as rows have them.
pub(super) fn halves(id: EventId) -> (i64, i64) {
    (id.signature_half() as i64, id.body_half() as i64)
}

impl Work<'_> {
    /// Stores an event, unless it is known.
    pub(super) fn append(&mut self, new: &NewEvent) -> Result<Placed> {
        let NewEvent { event, plan, .. } = new;
        match (self.known(event.id)?, event.verdict) {
            (Known::Same(seq), _) => self.repeat(seq, new),
            (Known::No, Verdict::Accepted) => self.store(event, plan, Standing::Accepted),
            (Known::No, Verdict::Quarantined(reason)) => self.store(event, &plan.clone().answer_only(), Standing::KeptBack(reason, None)),
            (Known::Other { recent, .. }, _) if recent >= BODIES_PER_SIGNATURE => Ok(Placed::Variant { stored: false }),
            (Known::Other { first: (seq, first), .. }, Verdict::Accepted) if self.is_harmless(seq, new)? => {
                self.store(event, plan, Standing::Renotified(first))
            }
            (Known::Other { first: (_, first), .. }, _) => {
                self.store(event, &plan.clone().answer_only(), Standing::KeptBack(Reason::Variant, Some(first)))?;
                Ok(Placed::Variant { stored: true })
            }
        }
    }

    /// Whether the event says what the first one of its signature said, which was accepted or released.
    /// Where that one's body is gone, or cannot be read, nobody can tell.
    fn is_harmless(&self, first: i64, new: &NewEvent) -> Result<bool> {
        let sql =
            "SELECT b.body FROM event e CROSS JOIN body b ON b.seq = e.seq WHERE e.seq = ?1 AND e.reason IS NULL AND e.flags & ?2 = 0";
        let mut statement = self.connection.prepare_cached(sql)?;
        let packed: Option<Vec<u8>> = statement.query_row((first, Flags::DISCARDED.bits()), |row| row.get(0)).optional()?;
        match packed.map(rows::unpack_body) {
            Some(Ok(body)) => Ok(new.judge.is_harmless(body, &new.event)),
            Some(Err(error)) => {
                self.shared.pass_over(first, "append", &error);
                Ok(false)
            }
            None => Ok(false),
        }
    }

    /// The key of the event with that id.
    pub(super) fn find(&self, id: EventId) -> Result<Option<i64>> {
        let (signature, body) = halves(id);
        if let Some(seq) = self.draft.new.get(&(signature, body)).or_else(|| self.book.recent.get(&(signature, body))) {
            return Ok(Some(*seq));
        }
        if self.book.is_complete && !self.book.filter.may_have(signature) {
            return Ok(None);
        }
        let sql = "SELECT i.seq FROM ids i CROSS JOIN event e ON e.seq = i.seq WHERE i.signature_half = ?1 AND i.body_half = ?2";
        self.connection.prepare_cached(sql)?.query_row((signature, body), |row| row.get(0)).optional()
    }

    fn known(&self, id: EventId) -> Result<Known> {
        if let Some(seq) = self.find(id)? {
            return Ok(Known::Same(seq));
        }
        let (signature, _) = halves(id);
        let all = (signature, i64::MIN)..=(signature, i64::MAX);
        let in_memory = self.draft.new.range(all.clone()).chain(self.book.recent.range(all));
        let mut others: Vec<(i64, i64)> = in_memory.map(|((_, body), seq)| (*seq, *body)).collect();
        if !self.book.is_complete || self.book.filter.may_have(signature) {
            let sql = "SELECT seq, body_half FROM ids WHERE signature_half = ?1";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query([signature])?;
            while let Some(row) = rows.next()? {
                others.push((row.get(0)?, row.get(1)?));
            }
        }
        // While they are being indexed some are in both.
        others.sort_unstable();
        others.dedup();
        let since = self.now.saturating_sub(DAY).saturating_mul(1 << 20);
        let recent = others.iter().filter(|(seq, _)| *seq >= since).count();
        Ok(others.first().map_or(Known::No, |first| Known::Other { first: *first, recent }))
    }

    /// The key of what comes next.
    pub(super) fn next_seq(&mut self) -> i64 {
        self.draft.last_seq = (self.draft.last_seq + 1).max(self.now.saturating_mul(1 << 20));
        self.draft.last_seq
    }

    fn store(&mut self, event: &Arc<Event>, plan: &Plan, standing: Standing) -> Result<Placed> {
        let portion = match standing {
            Standing::Accepted => Portion::whole(event),
            Standing::Renotified(_) => Portion { flags: event.flags.with(Flags::RENOTIFIED), ..Portion::whole(event) },
            Standing::KeptBack(..) => self.keep_back(event),
        };
        let flags = portion.flags;
        let seq = self.next_seq();
        self.insert(seq, event, &portion, plan, standing)?;
        self.note(seq, event, &portion.fields);
        let mut leased = Vec::new();
        let mut deferred = Vec::new();
        let mut lacking = 0;
        for target in &plan.targets {
            let destination = self.shared.names.id(self.connection, &target.destination)?;
            if !self.book.serves(&target.destination) {
                self.park_new(seq, destination, target.order)?;
                continue;
            }
            let demand = match plan.answer.wait() {
                Some(wait) if wait.destination == target.destination => Demand::WaitedFor,
                Some(_) | None => Demand::Usual,
            };
            match self.enter(seq, destination, target.order, demand)? {
                Some(kept) => {
                    self.draft.lease(destination, seq, kept);
                    lacking += usize::from(kept == Kept::InPlan);
                    leased.push(target.clone());
                }
                None => deferred.push(target.destination.clone()),
            }
        }
        self.draft.tracked.push((seq, lacking));
        let accepted = Arc::new(Accepted {
            seq: Seq(seq),
            id: event.id,
            source: event.source.clone(),
            received_at: event.received_at,
            content_type: event.content_type.clone(),
            verified: event.verified,
            flags,
            first: rows::sibling(event.id, standing.first()),
        });
        let (body, is_variant) = (event.payload.bytes().clone(), matches!(standing, Standing::Renotified(_)));
        Ok(Placed::Stored { accepted, targets: leased, deferred, body, is_variant })
    }

    /// How a new delivery is kept that is leased at once; `None`: it waits in a row. One that somebody waits for is ahead of all
    /// but those that it is kept in order with.
    fn enter(&mut self, seq: i64, destination: i64, order: Option<OrderKey>, demand: Demand) -> Result<Option<Kept>> {
        let more = self.draft.leased.get(&destination).map_or(0, Vec::len);
        let is_crowded = || self.draft.backlog.contains(&destination) || self.shared.lanes().is_full(destination, more);
        let is_full = demand == Demand::Usual && is_crowded();
        match order {
            None if is_full => self.wait_in_row(seq, destination).map(|()| None),
            None => Ok(Some(Kept::InPlan)),
            Some(key) if is_full => self.line_up_late(seq, destination, key).map(|_turn| None),
            Some(key) => Ok((self.line_up(seq, destination, key)? == Turn::Free).then_some(Kept::Ordered(key.bits()))),
        }
    }

    /// Gives a delivery that was not attempted a row; it is due since its event came.
    pub(super) fn wait_in_row(&mut self, seq: i64, destination: i64) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO delivery (seq, destination, status, attempts, run_attempts, run_elapsed, due_at)
                   VALUES (?1, ?2, 0, 0, 0, 0, ?3)";
        self.connection.prepare_cached(sql)?.execute((seq, destination, seq >> 20))?;
        self.draft.pending.push((destination, seq >> 20, seq));
        self.draft.backlog.insert(destination);
        Ok(())
    }

    /// Gives rows to the deliveries of events that too many newer ones have passed.
    pub(super) fn spill(&mut self) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO delivery (seq, destination, status, attempts, run_attempts, run_elapsed, due_at)
                   VALUES (?1, ?2, 0, 0, 0, 0, ?3)";
        for seq in self.book.overflow(self.draft.tracked.len()) {
            for destination in self.shared.lanes().without_row(seq) {
                if !self.draft.freed.contains(&(seq, destination)) {
                    self.connection.prepare_cached(sql)?.execute((seq, destination, seq >> 20))?;
                    self.draft.spilled.push((seq, destination));
                }
            }
        }
        Ok(())
    }

    fn insert(&self, seq: i64, event: &Event, portion: &Portion<'_>, plan: &Plan, standing: Standing) -> Result<()> {
        let (signature_half, body_half) = halves(event.id);
        let fields = &*portion.fields;
        let weight = standing.reason().map_or(0, |_| portion.weight());
        let source = self.shared.names.id(self.connection, &event.source)?;
        let packed = rows::pack_plan(self.connection, &self.shared.names, plan)?;
        let (texts, first) = (columns(fields), standing.first());
        let before: [&dyn ToSql; 13] = [
            &seq,
            &signature_half,
            &body_half,
            &source,
            &rows::kind_code(event.kind),
            &event.received_at.millis(),
            &event.verified,
            &portion.flags.bits(),
            &standing.reason().map(Reason::as_str),
            &rows::routing_code(plan.routing),
            &rows::answer_code(&plan.answer),
            &packed,
            &ContentType(portion.content_type),
        ];
        let after: [&dyn ToSql; 2] = [&first, &weight];
        let row = before.into_iter().chain(texts.iter().map(|text| text as &dyn ToSql)).chain(after);
        self.connection.prepare_cached(INSERT_EVENT)?.execute(params_from_iter(row))?;
        let sql = "INSERT INTO body VALUES (?1, ?2)";
        self.connection.prepare_cached(sql)?.execute((seq, rows::pack_body(portion.body)))?;
        Ok(())
    }

    /// Notes what is to be indexed, and how far the key is from the time of reception.
    fn note(&mut self, seq: i64, event: &Event, kept: &Fields) {
        let Draft { new, fields, state, .. } = &mut *self.draft;
        new.insert(halves(event.id), seq);
        fields.extend(indexed(kept).map(|value| (value, seq)));
        let skew = (seq >> 20).saturating_sub(event.received_at.millis());
        state.skew = (state.skew.0.min(skew), state.skew.1.max(skew));
    }
}

/// What an event is found by in the index of fields.
pub(super) fn indexed(fields: &Fields) -> impl Iterator<Item = i64> {
    let found = [(b'r', &fields.reference_number), (b's', &fields.session_id), (b'o', &fields.order_no)];
    found.into_iter().filter_map(|(field, text)| Some(rows::field_hash(field, present(text)?)))
}

/// The normalised fields, in the order of their columns.
pub(super) fn columns(fields: &Fields) -> [Option<&str>; 11] {
    [
        &fields.state,
        &fields.result,
        &fields.operation,
        &fields.amount,
        &fields.currency_code,
        &fields.reference_number,
        &fields.session_id,
        &fields.order_no,
        &fields.gateway_account,
        &fields.gateway_name,
        &fields.is_sandbox,
    ]
    .map(present)
}

/// Absent and empty are one.
fn present(text: &Option<Box<str>>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

//! Leases of deliveries that wait in rows.

use super::{
    super::Leased,
    lanes::{Kept, Lane},
    order::{self, HELD, is_ahead},
    rows,
    shared::{self, Reply, Shared},
    transaction::{Durability, Undone},
    work::Work,
    writer::Writer,
};
use crate::domain::{
    clock::Timestamp,
    delivery::{Accepted, Lease, Run, Seq},
    event::Flags,
    id::EventId,
    name::Name,
    order::OrderKey,
};
use rusqlite::{Connection, OptionalExtension, Result};
use std::{sync::Arc, time::Duration};

const PENDING: &str = "SELECT due_at, seq FROM delivery INDEXED BY pending
    WHERE destination = ?1 AND status <= 1 AND (due_at, seq) > (?2, ?3) ORDER BY due_at, seq";

const DETAILS: &str = "SELECT d.attempts, d.run_attempts, d.run_elapsed, e.signature_half, e.body_half, e.source, e.received_at,
    e.content_type, e.verified, e.flags, e.plan, d.repeated, e.first_body_half, d.order_key, d.place
    FROM delivery d CROSS JOIN event e ON e.seq = d.seq WHERE d.seq = ?1 AND d.destination = ?2";

/// What was found that is due.
#[derive(Default)]
struct Found {
    /// The leases, and when the next one is due.
    leased: Leased,
    /// Rows that are damaged, by event and destination.
    passed_over: Vec<(i64, i64)>,
}

impl Writer {
    /// Gives leases; where the disk fails, none, once it is well again.
    pub(super) fn lease(&mut self, destination: &Name, max: usize, reply: Reply<Leased>) -> Result<(), Undone> {
        if !self.book.serves(destination) {
            shared::answer(&self.shared, reply, Leased::default());
            return Ok(());
        }
        let now = self.shared.timeline.now();
        let read = |connection| lease(connection, &self.shared, destination, max, now);
        match self.connection.as_ref().map(read) {
            Some(Ok(Found { mut leased, passed_over })) => {
                if !passed_over.is_empty() && self.step_aside(&passed_over)? {
                    leased.next_due = Some(self.shared.timeline.to_wall(now));
                }
                shared::answer(&self.shared, reply, leased);
            }
            Some(Err(error)) => {
                let is_disk = error.sqlite_error_code().is_some();
                let failure = Arc::new(error);
                self.refuse(reply, failure.clone(), "lease");
                if is_disk {
                    self.recover(failure, "lease")?;
                    // Only a commit shows that the disk is well again.
                    self.transact(Durability::Full, "lease", |_| Ok(()))?;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Lets those behind damaged rows pass. Whether there may be any.
    fn step_aside(&mut self, damaged: &[(i64, i64)]) -> Result<bool, Undone> {
        let all = |work: &mut Work<'_>| {
            let found = damaged.iter().map(|(seq, destination)| work.step_aside(*seq, *destination)).collect::<Result<Vec<_>>>()?;
            Ok(found.contains(&true))
        };
        match self.transact(Durability::Normal, "lease", all) {
            // It was told of when it was met first.
            Err(Undone::Damaged(_)) => Ok(false),
            done => done,
        }
    }
}

/// Leases up to `max` deliveries that are due, the longest due first; of each order key one. Bodies stay on the disk.
fn lease(connection: &Connection, shared: &Shared, destination: &Name, max: usize, now: i64) -> Result<Found> {
    let Some(number) = shared.names.find(destination) else {
        return Ok(Found::default());
    };
    let mut lanes = shared.lanes();
    let lane = lanes.lane(number);
    let mut reader = Reader { connection, shared, number, destination, now, passed_over: Vec::new() };
    let max = max.min(lane.room());
    let mut leases = Vec::new();
    match reader.search(lane, max, &mut leases) {
        Ok(next_due) => {
            lane.backlog = next_due.is_some_and(|due_at| due_at <= now);
            let leased = Leased { leases, next_due: next_due.map(|due_at| shared.timeline.to_wall(due_at)) };
            Ok(Found { leased, passed_over: reader.passed_over })
        }
        Err(error) => {
            for lease in leases {
                lane.free(lease.event.seq.0);
            }
            lane.leased_up_to = None;
            Err(error)
        }
    }
}

struct Reader<'a> {
    connection: &'a Connection,
    shared: &'a Shared,
    number: i64,
    destination: &'a Name,
    now: i64,
    passed_over: Vec<(i64, i64)>,
}

impl Reader<'_> {
    /// Leases what is due; gives when the next one is.
    fn search(&mut self, lane: &mut Lane, max: usize, leases: &mut Vec<Lease>) -> Result<Option<i64>> {
        let start = lane.leased_up_to.unwrap_or((i64::MIN, i64::MIN));
        let connection = self.connection;
        let mut statement = connection.prepare_cached(PENDING)?;
        let mut rows = statement.query((self.number, start.0, start.1))?;
        while let Some(row) = rows.next()? {
            let (due_at, seq) = (row.get(0)?, row.get(1)?);
            if !lane.is_leased(seq) {
                if leases.len() >= max || due_at > self.now {
                    return Ok(Some(due_at).filter(|due_at| *due_at != HELD));
                }
                leases.extend(self.take(lane, due_at, seq)?);
            }
            lane.leased_up_to = Some((due_at, seq));
        }
        Ok(None)
    }

    /// Leases a delivery that is due; in a line, one that is due too and ahead of it goes first. `None`: it has to wait for
    /// another one of its line, or its row is damaged.
    fn take(&mut self, lane: &mut Lane, due_at: i64, seq: i64) -> Result<Option<Lease>> {
        // Behind one that is leased there may be many: of those no more is read than their key.
        if lane.has_lines()
            && let Some(key) = self.key(seq)?
            && lane.skip(key, due_at, seq)
        {
            return Ok(None);
        }
        let Some(lease) = self.readable(seq)? else {
            return Ok(None);
        };
        let Some(key) = lease.order.map(OrderKey::bits) else {
            lane.lease(seq, Kept::InRow);
            return Ok(Some(lease));
        };
        let ahead = order::due_ahead(self.connection, self.number, key, self.now)?.filter(|ahead| *ahead != seq);
        let Some(ahead) = ahead.map_or(Ok(None), |ahead| self.readable(ahead))? else {
            lane.lease(seq, Kept::Ordered(key));
            return Ok(Some(lease));
        };
        lane.lease(ahead.event.seq.0, Kept::Ordered(key));
        lane.skip(key, due_at, seq);
        Ok(Some(ahead))
    }

    fn key(&self, seq: i64) -> Result<Option<i64>> {
        let sql = "SELECT order_key FROM delivery WHERE seq = ?1 AND destination = ?2";
        self.connection.prepare_cached(sql)?.query_row((seq, self.number), |row| row.get(0)).optional().map(Option::flatten)
    }

    /// `None`: the row is damaged.
    fn readable(&mut self, seq: i64) -> Result<Option<Lease>> {
        match self.read(seq) {
            Ok(lease) => Ok(Some(lease)),
            Err(error) if error.sqlite_error_code().is_some() => Err(error),
            Err(error) => {
                self.shared.pass_over(seq, "lease", &error);
                self.passed_over.push((seq, self.number));
                Ok(None)
            }
        }
    }

    fn read(&self, seq: i64) -> Result<Lease> {
        read(self.connection, self.shared, seq, self.number, self.destination)
    }
}

/// Makes the lease of a delivery that has a row.
pub(super) fn read(connection: &Connection, shared: &Shared, seq: i64, number: i64, destination: &Name) -> Result<Lease> {
    connection.prepare_cached(DETAILS)?.query_row((seq, number), |row| {
        let id = EventId::from_halves(row.get::<_, i64>(3)? as u64, row.get::<_, i64>(4)? as u64);
        let targets = rows::unpack_plan(&shared.names, row.get_ref(10)?.as_blob()?)?.targets;
        let rules = targets.into_iter().find(|target| target.destination == *destination).map(|target| target.rules);
        let order: Option<i64> = row.get(13)?;
        let mut flags = Flags::from_bits(row.get(9)?).with(rows::delivery_flags(row.get(11)?));
        if let Some(key) = order
            && is_ahead(connection, number, key, row.get(14)?)?
        {
            flags = flags.with(Flags::OUT_OF_ORDER);
        }
        let event = Accepted {
            seq: Seq(seq),
            id,
            source: shared.names.name(row.get(5)?)?,
            received_at: Timestamp::from_millis(row.get(6)?),
            content_type: rows::content_type(row.get_ref(7)?)?,
            verified: row.get(8)?,
            flags,
            first: rows::sibling(id, row.get(12)?),
        };
        Ok(Lease {
            event: Arc::new(event),
            destination: destination.clone(),
            rules: rules.ok_or_else(|| rows::damaged("a delivery goes to a destination that its event does not name"))?,
            attempts: row.get(0)?,
            run: Run { attempts: row.get(1)?, elapsed: Duration::from_millis(rows::count(row, 2)?) },
            order: order.map(OrderKey::from_bits),
            body: None,
        })
    })
}

//! Bulk replays: their rows, and their steps. A step moves the cursor in the transaction that begins its deliveries, so that
//! a restart goes on behind the last event that was replayed.

use super::{
    super::{BULK_AHEAD, BULKS, Bulk, BulkId, BulkOrder, BulkState, BulkStep, Retried, Selection, Stepped, StoreError, Tally, Which},
    bulk_order,
    order::HELD,
    replay::Looked,
    rows,
    shared::{Reply, Shared},
    transaction::{Durability, Undone},
    work::Work,
    writer::Writer,
};
use crate::domain::{delivery::Seq, name::Name};
use rusqlite::{Connection, OptionalExtension, Result, Row};
use std::collections::BTreeMap;

const COLUMNS: &str = "id, state, wanted, created, ended, last, cursor, total, events, due, in_flight, removed, quarantined, discarded,
    nowhere, gone, damaged";

const ADVANCE: &str = "UPDATE replay SET state = ?2, ended = ?3, cursor = ?4, total = ?5, events = ?6, due = ?7, in_flight = ?8,
    removed = ?9, quarantined = ?10, discarded = ?11, nowhere = ?12, gone = ?13, damaged = ?14 WHERE id = ?1";

/// What the writer is asked to do about bulk replays.
#[derive(Debug)]
pub(super) enum BulkCommand {
    /// See `Store::begin_bulk`.
    Begin(Box<BulkOrder>, Reply<Option<Bulk>>),
    /// See `Store::advance`.
    Advance(BulkStep, Reply<Option<Stepped>>),
    /// See `Store::cancel`.
    Cancel(BulkId, Reply<Option<Bulk>>),
}

impl Writer {
    /// Does it.
    pub(super) fn bulk(&mut self, command: BulkCommand) -> Result<(), Undone> {
        match command {
            BulkCommand::Begin(order, reply) => self.decide(reply, |work| work.begin_bulk(&order)),
            BulkCommand::Cancel(id, reply) => self.decide(reply, |work| work.cancel(id)),
            BulkCommand::Advance(step, reply) => self.advance(&step, reply),
        }
    }

    /// Where the disk has no room for a step it is not insisted on, and everything else goes first.
    fn advance(&mut self, step: &BulkStep, reply: Reply<Option<Stepped>>) -> Result<(), Undone> {
        let stepped = match self.transact_if_it_fits(Durability::Full, "settle", |work| work.advance(step)) {
            Ok(Some(stepped)) => Ok(stepped),
            Ok(None) => {
                // Only a commit shows that the disk takes anything.
                self.transact(Durability::Full, "settle", |_| Ok(()))?;
                let read = |connection: &Connection| one(connection, &self.shared, step.id);
                let bulk = self.connection.as_ref().map(read).transpose();
                bulk.map(|bulk| bulk.flatten().map(|bulk| Stepped { bulk, due: Vec::new(), held_by: None }))
                    .map_err(|error| StoreError::Failing(error.into()))
            }
            Err(Undone::Damaged(error)) => {
                self.refuse(reply, error, "settle");
                return Ok(());
            }
            Err(Undone::Closing) => return Err(Undone::Closing),
        };
        // Whoever went away needs no answer.
        let _ = reply.send(stepped);
        Ok(())
    }
}

impl Work<'_> {
    fn begin_bulk(&mut self, order: &BulkOrder) -> Result<Option<Bulk>> {
        let sql = "SELECT count(*) FROM replay WHERE state = 0";
        if self.connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))? >= BULKS as i64 {
            return Ok(None);
        }
        let sql = "INSERT INTO replay (state, wanted, created, last) VALUES (0, ?1, ?2, ?3)";
        self.connection.prepare_cached(sql)?.execute((bulk_order::pack(order), self.now, self.draft.last_seq))?;
        one(self.connection, self.shared, BulkId(self.connection.last_insert_rowid()))
    }

    fn cancel(&mut self, id: BulkId) -> Result<Option<Bulk>> {
        let sql = "UPDATE replay SET state = 2, ended = ?2 WHERE id = ?1 AND state = 0";
        self.connection.prepare_cached(sql)?.execute((id.0, self.now))?;
        one(self.connection, self.shared, id)
    }

    /// `None`: it does not go on, or not from there.
    fn advance(&mut self, step: &BulkStep) -> Result<Option<Stepped>> {
        let Some(mut bulk) = one(self.connection, self.shared, step.id)? else { return Ok(None) };
        if bulk.state != BulkState::Running || bulk.cursor != step.from {
            return Ok(None);
        }
        bulk.total = step.total.or(bulk.total);
        let mut due = BTreeMap::new();
        let mut held_by = None;
        let mut room = BTreeMap::new();
        for (seq, selection) in &step.events {
            let Some(selection) = selection else {
                (bulk.tally.events, bulk.tally.damaged) = (bulk.tally.events + 1, bulk.tally.damaged + 1);
                bulk.cursor = *seq;
                continue;
            };
            held_by = self.replay_in_bulk(*seq, selection, &mut bulk.tally, &mut due, &mut room)?;
            if held_by.is_some() {
                break;
            }
            bulk.cursor = *seq;
        }
        if held_by.is_none() {
            bulk.tally.damaged += step.damaged;
            match step.to {
                Some(to) => bulk.cursor = to,
                None => {
                    bulk.state = BulkState::Done;
                    bulk.cursor = bulk.last.max(bulk.cursor);
                    bulk.ended_at = Some(self.shared.timeline.to_wall(self.now));
                }
            }
        }
        self.save(&bulk)?;
        Ok(Some(Stepped { bulk, due: due.into_iter().collect(), held_by }))
    }

    /// Gives the destination that has too much to do for this event, if there is one; then nothing is done.
    fn replay_in_bulk(
        &mut self,
        seq: Seq,
        selection: &Selection,
        tally: &mut Tally,
        due: &mut BTreeMap<Name, u64>,
        room: &mut BTreeMap<Name, usize>,
    ) -> Result<Option<Name>> {
        let looked = match self.look_at(seq.0, selection) {
            Err(error) if error.sqlite_error_code().is_none() => {
                self.shared.pass_over(seq.0, "settle", &error);
                (tally.events, tally.damaged) = (tally.events + 1, tally.damaged + 1);
                return Ok(None);
            }
            looked => looked?,
        };
        let left_out = match looked {
            None => &mut tally.gone,
            Some(Looked::Quarantined) => &mut tally.quarantined,
            Some(Looked::Discarded) => &mut tally.discarded,
            Some(Looked::Open(open)) => {
                for target in &open.due {
                    let left = match room.get_mut(&target.destination) {
                        Some(left) => left,
                        None => room.entry(target.destination.clone()).or_insert(self.room_for(&target.destination)?),
                    };
                    if *left == 0 {
                        return Ok(Some(target.destination.clone()));
                    }
                }
                let Retried { due: mut begun, held_back, in_flight, removed } = self.begin_anew(seq.0, selection, open)?;
                begun.extend(held_back);
                for name in &begun {
                    *due.entry(name.clone()).or_default() += 1;
                    room.entry(name.clone()).and_modify(|left| *left = left.saturating_sub(1));
                }
                tally.due += begun.len() as u64;
                tally.in_flight += in_flight.len() as u64;
                tally.removed += removed.len() as u64;
                tally.events += 1;
                tally.nowhere += u64::from(begun.is_empty() && in_flight.is_empty() && removed.is_empty());
                return Ok(None);
            }
        };
        *left_out += 1;
        tally.events += 1;
        Ok(None)
    }

    /// How many more deliveries to the destination may be due, or be held back in a line, before a bulk replay waits.
    fn room_for(&self, name: &Name) -> Result<usize> {
        let sql = "SELECT (SELECT count(*) FROM (SELECT 1 FROM delivery INDEXED BY pending
                           WHERE destination = ?1 AND status <= 1 AND due_at <= ?2 LIMIT ?3))
                        + (SELECT count(*) FROM (SELECT 1 FROM delivery INDEXED BY pending
                           WHERE destination = ?1 AND status <= 1 AND due_at = ?4 LIMIT ?3))";
        let Some(destination) = self.shared.names.find(name) else { return Ok(BULK_AHEAD) };
        let mut statement = self.connection.prepare_cached(sql)?;
        let due: i64 = statement.query_row((destination, self.now, BULK_AHEAD as i64, HELD), |row| row.get(0))?;
        Ok(BULK_AHEAD.saturating_sub(due as usize))
    }

    fn save(&self, bulk: &Bulk) -> Result<()> {
        let Tally { events, due, in_flight, removed, quarantined, discarded, nowhere, gone, damaged } = bulk.tally;
        let ended = bulk.ended_at.map(|_| self.now);
        self.connection.prepare_cached(ADVANCE)?.execute(rusqlite::params![
            bulk.id.0,
            state_code(bulk.state),
            ended,
            bulk.cursor.0,
            bulk.total.map(|total| total as i64),
            events as i64,
            due as i64,
            in_flight as i64,
            removed as i64,
            quarantined as i64,
            discarded as i64,
            nowhere as i64,
            gone as i64,
            damaged as i64,
        ])?;
        Ok(())
    }

    /// Forgets those that ended before a time of the store's.
    pub(super) fn forget_bulks(&self, before: i64) -> Result<()> {
        self.connection.prepare_cached("DELETE FROM replay WHERE state <> 0 AND ended < ?1")?.execute([before])?;
        Ok(())
    }
}

/// Reads them.
pub(super) fn bulks(connection: &Connection, shared: &Shared, which: Which) -> Result<Vec<Bulk>> {
    match which {
        Which::One(id) => Ok(one(connection, shared, id)?.into_iter().collect()),
        Which::Running => many(connection, shared, "WHERE state = 0 ORDER BY id LIMIT ?1", BULKS),
        Which::Newest(most) => many(connection, shared, "ORDER BY id DESC LIMIT ?1", most),
    }
}

fn one(connection: &Connection, shared: &Shared, id: BulkId) -> Result<Option<Bulk>> {
    let sql = format!("SELECT {COLUMNS} FROM replay WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id.0], |row| read(row, shared)).optional()
}

fn many(connection: &Connection, shared: &Shared, wanted: &str, most: usize) -> Result<Vec<Bulk>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM replay {wanted}"))?;
    statement.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| read(row, shared))?.collect()
}

fn read(row: &Row<'_>, shared: &Shared) -> Result<Bulk> {
    let code: i64 = row.get(1)?;
    let state = BulkState::ALL.into_iter().find(|state| state_code(*state) == code);
    let time = |time: i64| shared.timeline.to_wall(time);
    Ok(Bulk {
        id: BulkId(row.get(0)?),
        state: state.ok_or_else(|| rows::damaged(format!("no bulk replay has the state {code}")))?,
        order: bulk_order::unpack(row.get_ref(2)?.as_str()?)?,
        created_at: time(row.get(3)?),
        ended_at: row.get::<_, Option<i64>>(4)?.map(time),
        last: Seq(row.get(5)?),
        cursor: Seq(row.get(6)?),
        total: row.get::<_, Option<i64>>(7)?.map(|total| u64::try_from(total).unwrap_or(0)),
        tally: Tally {
            events: rows::count(row, 8)?,
            due: rows::count(row, 9)?,
            in_flight: rows::count(row, 10)?,
            removed: rows::count(row, 11)?,
            quarantined: rows::count(row, 12)?,
            discarded: rows::count(row, 13)?,
            nowhere: rows::count(row, 14)?,
            gone: rows::count(row, 15)?,
            damaged: rows::count(row, 16)?,
        },
    })
}

const fn state_code(state: BulkState) -> i64 {
    match state {
        BulkState::Running => 0,
        BulkState::Done => 1,
        BulkState::Cancelled => 2,
    }
}

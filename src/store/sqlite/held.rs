//! How groups of new events are committed, and what becomes of those that do not fit the room on the disk: they are held in
//! the order in which they came, and tried again in smaller pieces, while what needs less room goes on.

use super::{
    super::{Appended, NewEvent},
    append::Placed,
    index, schema,
    shared::{self, Reply},
    transaction::{Durability, PAUSE, Undone},
    writer::{GROUP, Writer},
};
use crate::domain::clock::Instant;
use rusqlite::{Connection, Result, ffi};
use std::{collections::BTreeMap, mem, sync::Arc};

/// What a transaction writes beside its events, at most about.
const AROUND: usize = 64 << 10;

/// What an event takes beside its body and texts, at most about: rows are written in whole pages.
const ROWS: usize = 8 << 10;

/// Events whose answer nobody waits for any more are held up to so many bytes.
const UNWANTED: usize = 32 << 20;

/// An event that is to be stored.
pub(super) struct Append {
    arrived: u64,
    new: NewEvent,
    reply: Reply<Appended>,
}

impl Append {
    /// About what it takes in a transaction, in bytes.
    fn weight(&self) -> usize {
        let texts: usize = self.new.event.fields.texts().map(str::len).sum();
        ROWS + self.new.event.payload.bytes().len() + texts
    }
}

/// The events that wait for room, by their arrival.
pub(super) struct Held {
    events: BTreeMap<u64, Append>,
    arrived: u64,
    /// What weighs so much did not fit, and is not tried again before `due_at`.
    unfit: usize,
    due_at: Option<Instant>,
}

impl Default for Held {
    fn default() -> Self {
        Self { events: BTreeMap::new(), arrived: 0, unfit: usize::MAX, due_at: None }
    }
}

impl Held {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// When they are tried again.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    /// Notes that an event has arrived.
    pub(super) fn arrive(&mut self, new: NewEvent, reply: Reply<Appended>) -> Append {
        self.arrived += 1;
        Append { arrived: self.arrived, new, reply }
    }

    fn hold(&mut self, appends: Vec<Append>) {
        self.events.extend(appends.into_iter().map(|append| (append.arrived, append)));
    }

    /// Takes the first ones that weigh at most so much together, or one alone that weighs more and fits the room.
    /// What is too heavy for the room stays, and lets those behind it pass.
    fn take(&mut self, room: usize, most: usize) -> Vec<Append> {
        let mut piece = Vec::new();
        let mut sum = 0;
        for (arrived, append) in &self.events {
            let weight = append.weight();
            if weight >= self.unfit || weight > room {
                continue;
            }
            if piece.len() == GROUP || !piece.is_empty() && sum + weight > room.min(most) {
                break;
            }
            sum += weight;
            piece.push(*arrived);
        }
        piece.into_iter().filter_map(|arrived| self.events.remove(&arrived)).collect()
    }

    /// The one that needs the least room.
    fn take_lightest(&mut self) -> Vec<Append> {
        let fitting = self.events.values().filter(|append| append.weight() < self.unfit);
        let lightest = fitting.min_by_key(|append| append.weight()).map(|append| append.arrived);
        lightest.and_then(|arrived| self.events.remove(&arrived)).into_iter().collect()
    }

    /// Of those for whose answer nobody waits any more, forgets what is too much: nobody was told that they are stored.
    fn forget_unwanted(&mut self) {
        let mut bytes = 0;
        self.events.retain(|_, append| {
            bytes += append.weight();
            bytes <= UNWANTED || !append.reply.is_closed()
        });
    }
}

impl Writer {
    /// Stores new events, after those that are held.
    pub(super) fn append(&mut self, appends: Vec<Append>) -> Result<(), Undone> {
        if self.held.is_empty() {
            let rest = self.append_group(appends)?;
            if rest.is_empty() {
                return Ok(());
            }
            self.held.hold(rest);
        } else {
            self.held.hold(appends);
        }
        self.append_held()
    }

    /// Stores of the events that are held what fits, in their order and in pieces; the rest is tried again after a pause.
    /// What is committed is moved into the database piece by piece, so that the log does not take the room of the next one.
    pub(super) fn append_held(&mut self) -> Result<(), Undone> {
        let now = self.shared.timeline.instant();
        if self.held.due_at.is_some_and(|at| at <= now) {
            self.held.unfit = usize::MAX;
            self.held.due_at = None;
        }
        let mut most = usize::MAX;
        loop {
            // They were to be committed with events that do not fit.
            self.settle()?;
            let room = self.room();
            let mut piece = self.held.take(room, most);
            if piece.is_empty() && room == 0 {
                // The figures of the disk may leave out room that is there for us: the disk itself is to say no.
                piece = self.held.take_lightest();
            }
            if piece.is_empty() {
                break;
            }
            let rest = self.append_group(piece)?;
            match &rest[..] {
                [] => self.move_log()?,
                [one] => self.held.unfit = one.weight(),
                [..] => most = rest.iter().map(Append::weight).sum::<usize>() / 2,
            }
            self.held.hold(rest);
        }
        self.held.forget_unwanted();
        if self.held.is_empty() {
            self.held.due_at = None;
            // The last commit was one of theirs, or they are forgotten.
            self.shared.set_failure(None);
        } else {
            self.held.due_at = self.held.due_at.or_else(|| Some(self.shared.timeline.instant() + PAUSE));
            if self.shared.failure().is_none() {
                tracing::error!(events = self.held.events.len(), "the disk has no room for some of what comes in, which waits; make room");
                let full = ffi::Error::new(ffi::SQLITE_FULL);
                let says = "the disk has no room for some of what comes in".to_owned();
                self.shared.set_failure(Some(Arc::new(rusqlite::Error::SqliteFailure(full, Some(says)))));
            }
        }
        Ok(())
    }

    /// How much a transaction may write: all of it goes to the log, and then once more into the database, which has pages to
    /// use again. As much as there may be, where the disk does not say.
    fn room(&self) -> usize {
        let Ok(disk) = self.shared.folder.disk() else { return usize::MAX };
        let pages = |connection: &Connection| -> Result<i64> {
            let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
            let size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            Ok(free * size)
        };
        // What cannot be asked for is taken to be none.
        let again = self.connection.as_ref().and_then(|connection| pages(connection).ok()).unwrap_or(0);
        let room = disk.free.min(disk.free.saturating_add(u64::try_from(again).unwrap_or(0)) / 2);
        usize::try_from(room).unwrap_or(usize::MAX).saturating_sub(AROUND)
    }

    fn move_log(&mut self) -> Result<(), Undone> {
        let moved = {
            let _closed = self.shared.readers.close();
            self.connection.as_ref().map(schema::checkpoint)
        };
        match moved {
            None | Some(Ok(())) => Ok(()),
            Some(Err(error)) => self.recover(Arc::new(error), "checkpoint").map(drop),
        }
    }

    /// Stores events, and what is to be settled, in one transaction; gives back the events for which there is no room.
    fn append_group(&mut self, appends: Vec<Append>) -> Result<Vec<Append>, Undone> {
        let settlements = mem::take(&mut self.settlements);
        let began = self.shared.timeline.instant();
        let placed = self.transact_if_it_fits(Durability::Full, "append", |work| {
            let before = work.connection.total_changes();
            settlements.iter().try_for_each(|settlement| work.settle(settlement))?;
            let placed = appends.iter().map(|append| work.append(&append.new)).collect::<Result<Vec<Placed>>>()?;
            work.spill()?;
            // Further bodies of one signature cost a look, however many come.
            work.draft.is_empty = work.connection.total_changes() == before;
            Ok(placed)
        });
        let placed = match placed {
            Ok(Some(placed)) => placed,
            Ok(None) => {
                self.settlements = settlements;
                return Ok(appends);
            }
            Err(Undone::Closing) => return Err(Undone::Closing),
            Err(Undone::Damaged(error)) if settlements.is_empty() && appends.len() == 1 => {
                appends.into_iter().for_each(|append| self.refuse(append.reply, Arc::clone(&error), "append"));
                return Ok(Vec::new());
            }
            // One of them meets a damaged row: alone it fails alone.
            Err(Undone::Damaged(_)) => {
                self.settlements = settlements;
                self.settle()?;
                let mut rest = Vec::new();
                for append in appends {
                    rest.append(&mut self.append_group(vec![append])?);
                }
                return Ok(rest);
            }
        };
        let now = self.shared.timeline.instant();
        self.shared.metrics.commit(now.saturating_duration_since(began), appends.len());
        self.settle_at = None;
        self.index_at = self.index_at.or_else(|| (!self.book.recent.is_empty()).then_some(now + index::BEHIND));
        for (append, placed) in appends.into_iter().zip(placed) {
            shared::answer(&self.shared, append.reply, placed.appended(&self.shared));
        }
        Ok(Vec::new())
    }
}

//! The one thread that writes: takes what waits, commits it as a group, answers. Waits out a failing disk.

use super::{
    super::{Appended, Discarded, Expired, Leased, NewEvent, Progress, Released, Replayed, Retried, Selection, StoreError},
    book::Book,
    bulk::BulkCommand,
    checkpoint::Checkpoints,
    expire::Keep,
    filter::Filter,
    held::Held,
    index::{self, Indexing},
    pause::Pause,
    rebuild::Rebuild,
    reserve::Tending,
    schema,
    settle::{self, Settled},
    shared::{Reply, Shared},
    start::Begun,
    transaction::{Durability, Undone},
    work::Work,
};
use crate::domain::{clock::Instant, delivery::Seq, id::EventId, name::Name, plan::Plan};
use rusqlite::{Connection, Result};
use std::{mem, sync::Arc, thread, time::Duration};
use tokio::sync::mpsc;

/// Commands taken into one group at most.
pub(super) const GROUP: usize = 512;
/// Settlements are committed by themselves where no event comes for so long.
const SETTLE_WITHIN: Duration = Duration::from_millis(20);
/// The filter is made anew when it has forgotten so many removed events, and half of it.
const FORGET: u64 = 100_000;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// See `Store::append`.
    Append(NewEvent, Reply<Appended>),
    /// See `Store::settle`.
    Settle(Box<Settled>),
    /// See `Store::lease`.
    Lease(Name, usize, Reply<Leased>),
    /// See `Store::progress`.
    Progress(Seq, Name, Reply<Progress>),
    /// See `Store::retry`.
    Retry(EventId, Option<Name>, Reply<Option<Retried>>),
    /// See `Store::replay`.
    Replay(EventId, Selection, Reply<Option<Replayed>>),
    /// A bulk replay begins, goes on or ends.
    Bulk(BulkCommand),
    /// See `Store::release`.
    Release(EventId, Plan, Reply<Option<Released>>),
    /// See `Store::discard`.
    Discard(EventId, Reply<Option<Discarded>>),
    /// See `Store::pause` and `Store::resume`.
    Pause(Name, Pause, Reply<()>),
    /// See `Store::expire`.
    Expire(Reply<Expired>),
    /// The first part of `Store::serve`: from now on these are served.
    Serve(Vec<Name>),
    /// A step of the rest; answers whether there is more to do.
    Park(Reply<bool>),
}

/// The thread's own part of the engine.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    pub(super) connection: Option<Connection>,
    pub(super) durability: Durability,
    pub(super) book: Book,
    keep: Keep,
    pub(super) held: Held,
    pub(super) settlements: Vec<Settled>,
    pub(super) settle_at: Option<Instant>,
    pub(super) index_at: Option<Instant>,
    indexing: Option<Indexing>,
    expired_at: Instant,
    removed: u64,
    rebuild: Option<Rebuild>,
    _reserve: Tending,
    pub(super) checkpoints: Checkpoints,
}

impl Writer {
    /// Over a store that is open and recovered; where it is not recovered, that comes first.
    pub(super) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        begun: Option<Begun>,
        keep: Keep,
        checkpoints: Checkpoints,
    ) -> Self {
        let now = shared.timeline.instant();
        let (connection, book) = begun.map_or_else(Default::default, |(connection, book)| (Some(connection), book));
        Self {
            commands,
            connection,
            durability: Durability::Full,
            index_at: None,
            indexing: None,
            book,
            keep,
            held: Held::default(),
            settlements: Vec::new(),
            settle_at: None,
            expired_at: now,
            removed: 0,
            rebuild: Some(Rebuild::start(&shared)),
            _reserve: Tending::start(&shared),
            checkpoints,
            shared,
        }
    }

    /// Works until the store closes.
    pub(super) fn run(mut self) {
        if self.begin().is_err() {
            return;
        }
        loop {
            let is_closing = self.shared.is_closing();
            if is_closing {
                self.commands.close();
            }
            let round = self.take();
            let is_idle = round.is_empty();
            match self.work(round) {
                Ok(()) => {}
                Err(Undone::Closing) => return,
                Err(Undone::Damaged(error)) => tracing::error!(%error, "the store holds a damaged row"),
            }
            if is_idle && is_closing {
                break;
            }
            if is_idle && self.indexing.is_none() {
                self.sleep();
            }
        }
        self.finish();
    }

    fn take(&mut self) -> Vec<Command> {
        let mut round = Vec::new();
        while round.len() < GROUP
            && let Ok(command) = self.commands.try_recv()
        {
            round.push(command);
        }
        round
    }

    fn work(&mut self, round: Vec<Command>) -> Result<(), Undone> {
        let mut appends = Vec::new();
        let mut others = Vec::new();
        for command in round {
            match command {
                Command::Append(new, reply) => appends.push(self.held.arrive(new, reply)),
                Command::Settle(settlement) => self.settlements.push(*settlement),
                Command::Serve(destinations) => {
                    // What was settled before was settled under what was served before.
                    self.settle()?;
                    self.book.served = Some(destinations.into_iter().collect());
                }
                Command::Lease(..)
                | Command::Progress(..)
                | Command::Retry(..)
                | Command::Replay(..)
                | Command::Bulk(_)
                | Command::Release(..)
                | Command::Discard(..)
                | Command::Pause(..)
                | Command::Expire(_)
                | Command::Park(_) => others.push(command),
            }
        }
        self.settlements.extend(self.shared.take_answered().into_iter().map(|(seq, code)| Settled::Answer(seq, code)));
        let now = self.shared.timeline.instant();
        if !self.settlements.is_empty() && self.settle_at.is_none() {
            self.settle_at = Some(now + SETTLE_WITHIN);
        }
        self.take_filter();
        self.give_back()?;
        let events = appends.len();
        if events > 0 {
            self.append(appends)?;
        } else if !others.is_empty() || self.settlements.len() >= settle::GROUP || self.settle_at.is_some_and(|at| at <= now) {
            self.settle()?;
        }
        if self.held.due_at().is_some_and(|at| at <= now) {
            self.append_held()?;
        }
        for command in others {
            match command {
                Command::Lease(destination, max, reply) => self.lease(&destination, max, reply)?,
                Command::Progress(seq, destination, reply) => self.progress(seq, &destination, reply)?,
                Command::Retry(id, only, reply) => self.decide(reply, |work| work.retry(id, only.as_ref()))?,
                Command::Replay(id, selection, reply) => self.decide(reply, |work| work.replay(id, &selection))?,
                Command::Bulk(command) => self.bulk(command)?,
                Command::Release(id, plan, reply) => self.decide(reply, |work| work.release(id, &plan))?,
                Command::Discard(id, reply) => self.decide(reply, |work| work.discard(id))?,
                Command::Pause(name, pause, reply) => self.decide(reply, |work| work.pause(&name, pause))?,
                Command::Expire(reply) => self.expire(reply)?,
                Command::Park(reply) => self.park(reply)?,
                Command::Append(..) | Command::Settle(_) | Command::Serve(_) => {}
            }
        }
        if self.indexing.is_some() || self.book.recent.len() >= index::BATCH || self.index_at.is_some_and(|at| at <= now) {
            self.index(events)?;
        }
        self.checkpoint()
    }

    /// Sleeps until there is a command, or something falls due.
    fn sleep(&self) {
        match self.settle_at.into_iter().chain(self.index_at).chain(self.held.due_at()).min() {
            Some(at) => thread::park_timeout(at.saturating_duration_since(self.shared.timeline.instant())),
            None => thread::park(),
        }
    }

    pub(super) fn settle(&mut self) -> Result<(), Undone> {
        let settlements = mem::take(&mut self.settlements);
        self.settle_at = None;
        self.settle_all(&settlements)
    }

    fn settle_all(&mut self, settlements: &[Settled]) -> Result<(), Undone> {
        let all = |work: &mut Work<'_>| settlements.iter().try_for_each(|settlement| work.settle(settlement));
        match settlements {
            [] => Ok(()),
            [settlement] => self.settle_alone(settlement),
            [..] => match self.transact_if_it_fits(Durability::Normal, "settle", all) {
                Ok(Some(())) => Ok(()),
                Ok(None) => {
                    let (first, second) = settlements.split_at(settlements.len() / 2);
                    self.settle_all(first)?;
                    self.settle_all(second)
                }
                Err(Undone::Damaged(_)) => settlements.iter().try_for_each(|settlement| self.settle_alone(settlement)),
                Err(Undone::Closing) => Err(Undone::Closing),
            },
        }
    }

    /// One that meets a damaged row is left: its delivery is made again after a start.
    fn settle_alone(&mut self, settlement: &Settled) -> Result<(), Undone> {
        match self.transact(Durability::Normal, "settle", |work| work.settle(settlement)) {
            Err(Undone::Damaged(error)) => {
                self.shared.metrics.store_error("settle");
                tracing::error!(%error, "an attempt is not recorded: the store holds a damaged row");
                Ok(())
            }
            done => done,
        }
    }

    fn give_back(&mut self) -> Result<(), Undone> {
        let returned = self.shared.take_returned();
        if returned.is_empty() {
            return Ok(());
        }
        self.transact(Durability::Normal, "settle", |work| returned.iter().try_for_each(|(seq, name)| work.give_back(*seq, name)))
    }

    /// What an operator decides is on the disk before it is confirmed.
    pub(super) fn decide<T>(&mut self, reply: Reply<T>, work: impl FnMut(&mut Work<'_>) -> Result<T>) -> Result<(), Undone> {
        match self.transact(Durability::Full, "settle", work) {
            Ok(decided) => {
                // Whoever went away needs no answer, here as below.
                let _ = reply.send(Ok(decided));
            }
            Err(Undone::Damaged(error)) => self.refuse(reply, error, "settle"),
            Err(Undone::Closing) => return Err(Undone::Closing),
        }
        Ok(())
    }

    fn park(&mut self, reply: Reply<bool>) -> Result<(), Undone> {
        let step = match self.transact(Durability::Normal, "settle", |work| work.park()) {
            // What the steps wrote is synced with the commit after the last of them.
            Ok(false) => self.transact(Durability::Full, "settle", |_| Ok(false)),
            step => step,
        };
        match step {
            Ok(more) => {
                let _ = reply.send(Ok(more));
            }
            Err(Undone::Damaged(error)) => self.refuse(reply, error, "settle"),
            Err(Undone::Closing) => return Err(Undone::Closing),
        }
        Ok(())
    }

    pub(super) fn refuse<T>(&self, reply: Reply<T>, error: Arc<rusqlite::Error>, operation: &'static str) {
        self.shared.metrics.store_error(operation);
        let _ = reply.send(Err(StoreError::Failing(error)));
    }

    fn expire(&mut self, reply: Reply<Expired>) -> Result<(), Undone> {
        let now = self.shared.timeline.instant();
        let ran = now.saturating_duration_since(self.expired_at);
        // Removal counts whole milliseconds: steps that follow closely would otherwise add up to nothing.
        if ran >= Duration::from_millis(1) {
            self.expired_at = now;
        }
        let keep = self.keep;
        let expired = match self.transact_if_it_fits(Durability::Normal, "expire", |work| work.expire(keep, ran)) {
            Ok(Some(expired)) => expired,
            Ok(None) => {
                // It is tried again in its time. Only a commit shows that the disk takes anything.
                self.transact(Durability::Full, "expire", |_| Ok(()))?;
                Expired::default()
            }
            Err(Undone::Damaged(error)) => {
                self.refuse(reply, error, "expire");
                return Ok(());
            }
            Err(Undone::Closing) => return Err(Undone::Closing),
        };
        self.removed += expired.removed;
        if self.removed > FORGET && self.removed as usize > self.book.filter.len() / 2 && self.rebuild.is_none() {
            self.removed = 0;
            self.book.is_complete = false;
            self.book.filter = Filter::default();
            self.book.recent.keys().for_each(|(signature, _)| self.book.filter.add(*signature));
            self.rebuild = Some(Rebuild::start(&self.shared));
        }
        let _ = reply.send(Ok(expired));
        Ok(())
    }

    /// Writes a slice of what is not indexed, with room for what so many events bring.
    fn index(&mut self, events: usize) -> Result<(), Undone> {
        let mut indexing = match self.indexing.take() {
            Some(indexing) => indexing,
            None => {
                self.index_at = None;
                Indexing::start(&self.book)
            }
        };
        let end = indexing.next(events);
        if self.transact_if_it_fits(Durability::Normal, "index", |work| work.index(&indexing, end))?.is_none() {
            self.index_at = Some(self.shared.timeline.instant() + index::BEHIND);
        } else if !indexing.is_done(end) {
            self.indexing = Some(indexing);
        }
        Ok(())
    }

    fn take_filter(&mut self) {
        if let Some(filter) = self.rebuild.as_mut().and_then(Rebuild::take) {
            self.book.filter.join(filter);
            self.book.is_complete = true;
            self.rebuild = None;
        }
    }

    /// Writes what is still to be written.
    fn finish(&mut self) {
        let mut rest = self.settle();
        while rest.is_ok() && (self.indexing.is_some() || !self.book.recent.is_empty()) {
            rest = self.index(usize::MAX);
        }
        drop(self.rebuild.take());
        let _closed = self.shared.readers.close();
        if let (Ok(()), Some(connection)) = (rest, self.connection.take())
            && let Err(error) = schema::checkpoint(&connection)
        {
            tracing::warn!(%error, "the log of the store stays beside it; the next start reads it");
        }
    }
}

//! The embedded engine: SQLite in a lean shape. This file is the handle; `writer` is where its commands go.
//!
//! `start` opens a folder; `writer` commits groups of `append` and `settle` (`held`: what does not fit), and does `lease`, `retry`, `replay`, `release`,
//! `expire`, `park` and `index` between them; `read`, `search` and `stats` run beside it. `book` and `lanes` are what the writer keeps in memory.

use super::{
    Answer, Appended, Bulk, BulkId, BulkOrder, BulkStep, Discarded, EventDetail, Expired, Leased, NewEvent, Page, Progress, Query, RESERVE,
    Released, Replayed, Retried, Selection, Settings, Stats, Stepped, Store, StoreError, Which,
};
use crate::{
    domain::{
        clock::Clock,
        delivery::{Lease, Seq, Settlement},
        event::Kept,
        id::EventId,
        name::Name,
        plan::Plan,
    },
    metrics::Metrics,
    tasks,
};
use bulk::BulkCommand;
use bytes::Bytes;
use checkpoint::Checkpoints;
use pause::Pause;
use rusqlite::Connection;
use settle::Settled;
use shared::{Awaited, Shared};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::JoinHandle,
};
use tokio::sync::{mpsc, oneshot};
use writer::{Command, Writer};

mod append;
mod book;
mod bulk;
mod bulk_order;
mod checkpoint;
mod expire;
mod filter;
mod folder;
mod held;
mod index;
mod lanes;
mod lease;
mod names;
mod order;
mod park;
mod pause;
mod progress;
mod quarantine;
mod read;
mod readers;
mod rebuild;
mod release;
mod repeat;
mod replay;
mod reserve;
mod retry;
mod rows;
mod schema;
mod search;
mod settle;
mod shared;
mod start;
mod stats;
mod timeline;
mod transaction;
mod work;
mod writer;

/// Commands that wait for the writer; whoever comes then waits with the caller's own memory.
const COMMANDS: usize = 1_024;

/// The engine. Dropping it ends the writer as `close` does, and waits for that.
#[derive(Debug)]
pub struct Sqlite {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How much of the disk is for what, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Held in reserve for when the disk is full; less on a small disk.
    pub reserve: u64,
    /// For events in quarantine; `None`: [a share](super::QUARANTINE_SHARE) of the disk.
    pub quarantine: Option<u64>,
}

impl Default for Room {
    fn default() -> Self {
        Self { reserve: RESERVE, quarantine: None }
    }
}

impl Sqlite {
    /// Opens, or makes, the database in the data folder.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], with what to do.
    pub fn open(settings: &Settings, room: Room, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        let (shared, begun) = start::open(settings, room, clock, metrics)?;
        let checkpoints = Checkpoints::start(&shared);
        let (commands, taken) = mpsc::channel(COMMANDS);
        let keep = expire::Keep::new(settings);
        let theirs = shared.clone();
        let run = move || Writer::new(theirs, taken, begun, keep, checkpoints).run();
        let thread = tasks::thread("store-writer", run).map_err(|error: io::Error| StoreError::Unusable {
            path: settings.path.clone(),
            problem: super::Problem::Io(Arc::new(error)),
        })?;
        shared.set_writer(thread.thread().clone());
        shared.wake();
        Ok(Self { shared, commands, writer: Mutex::new(Some(thread)) })
    }

    async fn send(&self, command: Command) -> Result<(), StoreError> {
        if self.shared.is_closing() {
            return Err(StoreError::Closed);
        }
        self.commands.send(command).await.map_err(|_| StoreError::Closed)?;
        self.shared.wake();
        Ok(())
    }

    async fn ask<T>(&self, command: impl FnOnce(shared::Reply<T>) -> Command) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn ask_for_leases<T: shared::Leases>(&self, command: impl FnOnce(shared::Reply<T>) -> Command) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let awaited = Awaited { reply: answer, shared: self.shared.clone() };
        self.send(command(reply)).await?;
        awaited.get().await
    }

    async fn away<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        if self.shared.is_closing() {
            return Err(StoreError::Closed);
        }
        let _turn = self.shared.readers.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        let shared = self.shared.clone();
        tasks::blocking(move || work(&shared)).await.map_err(|_| StoreError::Closed)?
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.away(move |shared| shared.readers.read(|connection| work(connection, shared))).await
    }

    /// Tells the writer to end; gives its thread to the first who asks.
    fn end(&self) -> Option<JoinHandle<()>> {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.wake();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Store for Sqlite {
    fn append(&self, new: NewEvent) -> Answer<'_, Appended> {
        Box::pin(self.ask_for_leases(|reply| Command::Append(new, reply)))
    }

    fn lease<'a>(&'a self, destination: &'a Name, max: usize) -> Answer<'a, Leased> {
        Box::pin(self.ask_for_leases(move |reply| Command::Lease(destination.clone(), max, reply)))
    }

    fn give_back(&self, leases: Vec<Lease>) {
        self.shared.give_back(leases.into_iter().map(|lease| (lease.event.seq, lease.destination)).collect());
    }

    fn settle(&self, settlement: Settlement) -> Answer<'_, ()> {
        let settled = Settled::new(settlement, &self.shared.timeline);
        Box::pin(async move {
            let room = self.shared.room_to_settle().await?;
            self.send(Command::Settle(Box::new(settled.with_room(room)))).await
        })
    }

    fn progress<'a>(&'a self, seq: Seq, destination: &'a Name) -> Answer<'a, Progress> {
        Box::pin(self.ask(move |reply| Command::Progress(seq, destination.clone(), reply)))
    }

    fn answered(&self, seq: Seq, code: u16) {
        self.shared.answered(seq, code);
    }

    fn body(&self, seq: Seq) -> Answer<'_, Option<Bytes>> {
        Box::pin(self.read(move |connection, _| read::body(connection, seq)))
    }

    fn kept(&self, seq: Seq) -> Answer<'_, Option<Kept>> {
        Box::pin(self.read(move |connection, shared| read::kept(connection, shared, seq)))
    }

    fn event(&self, id: EventId) -> Answer<'_, Option<EventDetail>> {
        Box::pin(self.read(move |connection, shared| read::detail(connection, shared, id)))
    }

    fn search(&self, query: Query) -> Answer<'_, Page> {
        Box::pin(self.read(move |connection, shared| search::search(connection, shared, &query)))
    }

    fn retry(&self, id: EventId, destination: Option<Name>) -> Answer<'_, Option<Retried>> {
        Box::pin(self.ask(move |reply| Command::Retry(id, destination, reply)))
    }

    fn replay(&self, id: EventId, selection: Selection) -> Answer<'_, Option<Replayed>> {
        Box::pin(self.ask(move |reply| Command::Replay(id, selection, reply)))
    }

    fn begin_bulk(&self, order: BulkOrder) -> Answer<'_, Option<Bulk>> {
        Box::pin(self.ask(move |reply| Command::Bulk(BulkCommand::Begin(Box::new(order), reply))))
    }

    fn bulks(&self, which: Which) -> Answer<'_, Vec<Bulk>> {
        Box::pin(self.read(move |connection, shared| bulk::bulks(connection, shared, which)))
    }

    fn advance(&self, step: BulkStep) -> Answer<'_, Option<Stepped>> {
        Box::pin(self.ask(move |reply| Command::Bulk(BulkCommand::Advance(step, reply))))
    }

    fn cancel(&self, id: BulkId) -> Answer<'_, Option<Bulk>> {
        Box::pin(self.ask(move |reply| Command::Bulk(BulkCommand::Cancel(id, reply))))
    }

    fn release(&self, id: EventId, plan: Plan) -> Answer<'_, Option<Released>> {
        Box::pin(self.ask(move |reply| Command::Release(id, plan, reply)))
    }

    fn discard(&self, id: EventId) -> Answer<'_, Option<Discarded>> {
        Box::pin(self.ask(move |reply| Command::Discard(id, reply)))
    }

    fn serve(&self, destinations: Vec<Name>) -> Answer<'_, ()> {
        Box::pin(async move {
            self.send(Command::Serve(destinations)).await?;
            while self.ask(Command::Park).await? {}
            Ok(())
        })
    }

    fn pause(&self, destination: Name) -> Answer<'_, ()> {
        Box::pin(self.ask(move |reply| Command::Pause(destination, Pause::Begin, reply)))
    }

    fn resume(&self, destination: Name) -> Answer<'_, ()> {
        Box::pin(self.ask(move |reply| Command::Pause(destination, Pause::End, reply)))
    }

    fn paused(&self) -> Answer<'_, Vec<Name>> {
        Box::pin(self.read(pause::paused))
    }

    fn expire(&self) -> Answer<'_, Expired> {
        Box::pin(self.ask(Command::Expire))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(self.away(stats::stats))
    }

    fn health(&self) -> Result<(), StoreError> {
        if self.shared.is_closing() || self.commands.is_closed() {
            return Err(StoreError::Closed);
        }
        match self.shared.failure() {
            Some(failure) => Err(StoreError::Failing(failure)),
            None if self.shared.reserve.is_given_up() => Err(StoreError::OnReserve(self.shared.folder.path().to_owned())),
            None => Ok(()),
        }
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            if let Some(thread) = self.end() {
                // A writer that panicked has nothing more to write.
                let _ = tasks::blocking(move || thread.join()).await;
                self.shared.folder.release();
            }
            Ok(())
        })
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        if let Some(thread) = self.end() {
            let _ = thread.join();
        }
    }
}

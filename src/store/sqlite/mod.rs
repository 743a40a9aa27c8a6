//! The embedded engine: SQLite in a lean shape.

use super::{Answer, Appended, EventDetail, Expired, Leased, NewEvent, Page, Query, Retried, Settings, Stats, Store, StoreError};
use crate::{
    domain::{
        clock::Clock,
        delivery::{Seq, Settlement},
        id::EventId,
        name::Name,
    },
    metrics::Metrics,
};
use bytes::Bytes;
use std::sync::Arc;

/// The engine.
#[derive(Debug)]
pub struct Sqlite {}

impl Sqlite {
    /// Opens, or makes, the database in the data folder.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], with what to do.
    pub fn open(settings: &Settings, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        let _ = (settings, clock, metrics);
        todo!("store")
    }
}

impl Store for Sqlite {
    fn append(&self, new: NewEvent) -> Answer<'_, Appended> {
        let _ = new;
        todo!("store")
    }
    fn lease<'a>(&'a self, destination: &'a Name, max: usize) -> Answer<'a, Leased> {
        let _ = (destination, max);
        todo!("store")
    }
    fn settle(&self, settlement: Settlement) -> Answer<'_, ()> {
        let _ = settlement;
        todo!("store")
    }
    fn body(&self, seq: Seq) -> Answer<'_, Option<Bytes>> {
        let _ = seq;
        todo!("store")
    }
    fn event(&self, id: EventId) -> Answer<'_, Option<EventDetail>> {
        let _ = id;
        todo!("store")
    }
    fn search(&self, query: Query) -> Answer<'_, Page> {
        let _ = query;
        todo!("store")
    }
    fn retry(&self, id: EventId, destination: Option<Name>) -> Answer<'_, Option<Retried>> {
        let _ = (id, destination);
        todo!("store")
    }
    fn expire(&self) -> Answer<'_, Expired> {
        todo!("store")
    }
    fn stats(&self) -> Answer<'_, Stats> {
        todo!("store")
    }
    fn health(&self) -> Result<(), StoreError> {
        todo!("store")
    }
    fn close(&self) -> Answer<'_, ()> {
        todo!("store")
    }
}

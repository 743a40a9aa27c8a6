//! What one transaction works with.

use super::{
    book::{Book, Draft},
    shared::Shared,
};
use rusqlite::Connection;

/// A transaction that is open, and the draft of what it changes in memory.
pub(super) struct Work<'a> {
    /// In the transaction.
    pub(super) connection: &'a Connection,
    /// The dictionary and the lanes.
    pub(super) shared: &'a Shared,
    /// What was committed before.
    pub(super) book: &'a Book,
    /// What this one changes.
    pub(super) draft: &'a mut Draft,
    /// The store's time.
    pub(super) now: i64,
}

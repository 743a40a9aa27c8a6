//! The indexes that are written behind: ids, and the fields operators search by. Some thousand events are sorted at a time,
//! and written in slices, between which events come in.

use super::{book::Book, rows, work::Work};
use rusqlite::{Connection, Result};
use std::time::Duration;

/// So many events are sorted at once.
pub(super) const BATCH: usize = 4_096;

/// An event is in the indexes at most so long after it came.
pub(super) const BEHIND: Duration = Duration::from_secs(1);

/// So many entries are written in one transaction, some milliseconds for which events wait.
const SLICE: usize = 256;

/// The entries of all events up to one, in the order of their index: written from the front, in several transactions.
/// A process that ends in between begins again, since the position moves with the last of them.
#[derive(Debug)]
pub(super) struct Indexing {
    upto: i64,
    ids: Vec<((i64, i64), i64)>,
    fields: Vec<(i64, i64)>,
    written: usize,
}

impl Indexing {
    /// Of everything that is not indexed.
    pub(super) fn start(book: &Book) -> Self {
        let mut fields = book.fields.clone();
        fields.sort_unstable();
        let ids = book.recent.iter().map(|(id, seq)| (*id, *seq)).collect();
        Self { upto: book.last_seq, ids, fields, written: 0 }
    }

    /// Where the next slice ends, which has room for what `events` bring: so indexing keeps up with what comes in.
    pub(super) fn next(&self, events: usize) -> usize {
        let end = self.ids.len() + self.fields.len();
        self.written.saturating_add(events.saturating_mul(8).max(SLICE)).min(end)
    }

    /// Notes that everything before `end` is written; whether that is all.
    pub(super) fn is_done(&mut self, end: usize) -> bool {
        self.written = end;
        end == self.ids.len() + self.fields.len()
    }
}

impl Work<'_> {
    /// Writes the entries before `end` that are not written; with the last one the position.
    pub(super) fn index(&mut self, indexing: &Indexing, end: usize) -> Result<()> {
        let Indexing { upto, ids, fields, written } = indexing;
        let mut insert = self.connection.prepare_cached("INSERT OR REPLACE INTO ids VALUES (?1, ?2, ?3)")?;
        for ((signature, body), seq) in ids.iter().take(end).skip(*written) {
            insert.execute((signature, body, seq))?;
        }
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO field_index VALUES (?1, ?2)")?;
        for entry in fields.iter().take(end.saturating_sub(ids.len())).skip(written.saturating_sub(ids.len())) {
            insert.execute(*entry)?;
        }
        if end == ids.len() + fields.len() {
            self.draft.state.indexed_seq = *upto;
            self.draft.indexed = Some(*upto);
        }
        Ok(())
    }
}

/// Reads what a process that ended had not indexed.
pub(super) fn read_rest(connection: &Connection, book: &mut Book) -> Result<()> {
    let sql = "SELECT seq, signature_half, body_half, reference_number, session_id, order_no FROM event WHERE seq > ?1 ORDER BY seq";
    let mut statement = connection.prepare(sql)?;
    let mut found = statement.query([book.state.indexed_seq])?;
    while let Some(row) = found.next()? {
        let (seq, signature): (i64, i64) = (row.get(0)?, row.get(1)?);
        book.recent.insert((signature, row.get(2)?), seq);
        book.filter.add(signature);
        for (column, field) in [(3, b'r'), (4, b's'), (5, b'o')] {
            if let Some(text) = row.get_ref(column)?.as_str_or_null()? {
                book.fields.push((rows::field_hash(field, text), seq));
            }
        }
    }
    Ok(())
}

//! The indexes that are written behind, sorted, some thousand events at a time: ids, and the fields operators search by.

use super::{book::Book, rows, work::Work};
use rusqlite::{Connection, Result};
use std::time::Duration;

/// So many events are written to the indexes at once.
pub(super) const BATCH: usize = 4_096;

/// An event is in the indexes at most so long after it came.
pub(super) const BEHIND: Duration = Duration::from_secs(1);

impl Work<'_> {
    /// Writes everything that is not indexed, and the position.
    pub(super) fn index(&mut self) -> Result<()> {
        let mut insert = self.connection.prepare_cached("INSERT OR REPLACE INTO ids VALUES (?1, ?2, ?3)")?;
        for ((signature, body), seq) in &self.book.recent {
            insert.execute((signature, body, seq))?;
        }
        let mut fields = self.book.fields.clone();
        fields.sort_unstable();
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO field_index VALUES (?1, ?2)")?;
        for entry in fields {
            insert.execute(entry)?;
        }
        self.draft.state.indexed_seq = self.book.last_seq;
        self.draft.is_indexed = true;
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

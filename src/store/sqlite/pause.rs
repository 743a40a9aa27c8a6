//! Which destinations an operator pauses.

use super::{shared::Shared, work::Work};
use crate::domain::name::Name;
use rusqlite::{Connection, Result};

/// What an operator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// A pause begins.
    Begin,
    /// It is over.
    End,
}

impl Work<'_> {
    /// Writes it down.
    pub(super) fn pause(&mut self, destination: &Name, pause: Pause) -> Result<()> {
        let sql = match pause {
            Pause::Begin => "INSERT OR IGNORE INTO paused VALUES (?1)",
            Pause::End => "DELETE FROM paused WHERE destination = ?1",
        };
        let number = self.shared.names.id(self.connection, destination)?;
        self.connection.prepare_cached(sql)?.execute([number])?;
        Ok(())
    }
}

/// All of them.
pub(super) fn paused(connection: &Connection, shared: &Shared) -> Result<Vec<Name>> {
    let mut statement = connection.prepare("SELECT destination FROM paused ORDER BY destination")?;
    let numbers = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>>>()?;
    numbers.into_iter().map(|number| shared.names.name(number)).collect()
}

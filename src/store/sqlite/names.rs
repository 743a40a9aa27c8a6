//! The dictionary of names: rows hold a small number for each source, destination and rule.

use crate::domain::name::Name;
use rusqlite::{Connection, Result};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// All names, both ways. The writer adds to it; readers see a name before the first row that uses it.
#[derive(Debug, Default)]
pub(super) struct Names(RwLock<Dictionary>);

#[derive(Debug, Default)]
struct Dictionary {
    by_id: Vec<Name>,
    by_text: HashMap<Name, i64>,
}

impl Names {
    /// Reads the whole dictionary.
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let mut dictionary = Dictionary::default();
        let mut statement = connection.prepare("SELECT id, text FROM name ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let name = Name::unchecked(row.get_ref(1)?.as_str()?);
            if id != dictionary.by_id.len() as i64 + 1 {
                return Err(super::rows::damaged("the dictionary of names has a gap"));
            }
            dictionary.by_id.push(name.clone());
            dictionary.by_text.insert(name, id);
        }
        Ok(Self(RwLock::new(dictionary)))
    }

    /// The number of a name, where it has one.
    pub(super) fn find(&self, text: &str) -> Option<i64> {
        self.read().by_text.get(text).copied()
    }

    /// The number of a name, which it gets now if it has none. The row is of the caller's transaction.
    pub(super) fn id(&self, connection: &Connection, name: &Name) -> Result<i64> {
        if let Some(id) = self.find(name) {
            return Ok(id);
        }
        let mut dictionary = self.write();
        let id = dictionary.by_id.len() as i64 + 1;
        connection.execute("INSERT INTO name VALUES (?1, ?2)", (id, name.as_str()))?;
        dictionary.by_id.push(name.clone());
        dictionary.by_text.insert(name.clone(), id);
        Ok(id)
    }

    /// The name of a number.
    pub(super) fn name(&self, id: i64) -> Result<Name> {
        let place = usize::try_from(id - 1).ok();
        let name = place.and_then(|place| self.read().by_id.get(place).cloned());
        name.ok_or_else(|| super::rows::damaged("a name is not in the dictionary"))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.read().by_id.len()
    }

    /// Forgets those that a transaction added which came to nothing.
    pub(super) fn truncate(&self, len: usize) {
        let mut dictionary = self.write();
        while dictionary.by_id.len() > len {
            if let Some(name) = dictionary.by_id.pop() {
                dictionary.by_text.remove(&name);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Dictionary> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Dictionary> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

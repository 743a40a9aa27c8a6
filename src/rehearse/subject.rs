//! A rules file as far as an event is concerned: who may have sent it, by which rules it goes, and where to.

use crate::{
    deliver, destination,
    domain::{name::Name, text::similar},
    provider,
    route::Rules,
};

/// What a rules file says of events.
#[derive(Debug, Clone)]
pub struct Subject {
    /// In the order of the file.
    pub sources: Vec<Source>,
    /// In the order of the file.
    pub destinations: Vec<Destination>,
    /// The rules.
    pub rules: Rules,
}

/// A source and how its events are read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: Name,
    /// How its events are verified and read; without keys where there are none here.
    pub provider: provider::Settings,
}

/// A destination and what is sent to it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name.
    pub name: Name,
    /// How it is called.
    pub settings: destination::Settings,
    /// What follows a failure.
    pub policy: deliver::Policy,
}

/// There is no such source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rules file has no source {found:?}; {}", suggestion(.near, .known))]
pub struct UnknownSource {
    /// What was asked for.
    pub found: String,
    /// The source that is most like it, if any is.
    pub near: Option<Name>,
    /// The sources that there are.
    pub known: Vec<Name>,
}

impl Subject {
    /// The source of that name; without a name, the first.
    ///
    /// # Errors
    /// There is none.
    pub fn source(&self, name: Option<&str>) -> Result<&Source, UnknownSource> {
        let found = match name {
            Some(name) => self.sources.iter().find(|source| *source.name == *name),
            None => self.sources.first(),
        };
        found.ok_or_else(|| {
            let (found, known) = (name.unwrap_or_default().to_owned(), self.sources.iter().map(|source| source.name.clone()));
            let near = similar(&found, self.sources.iter().map(|source| &*source.name)).map(Name::unchecked);
            UnknownSource { near, known: known.collect(), found }
        })
    }

    /// The destination of that name.
    pub(super) fn destination(&self, name: &Name) -> Option<&Destination> {
        self.destinations.iter().find(|destination| destination.name == *name)
    }
}

fn suggestion(near: &Option<Name>, known: &[Name]) -> String {
    match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("it has {}", known.join(", ")),
    }
}

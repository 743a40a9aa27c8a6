//! The keys of the rules file: what each is for, and of what shape its value is. Reading the file goes by these tables, and so
//! does the JSON Schema, which `json.rs` makes of them.

mod destination;
mod json;
mod rule;
mod server;
mod source;
mod test;
mod top;

pub use destination::{AUTH, BASIC, BREAKER, CLIENT_TLS, DEFAULTS, DESTINATION, OAUTH2, RETRY, SIGN};
pub use json::json;
pub use rule::{RULE, WAIT};
pub use server::{SERVER, STORE, TLS};
pub use source::{SIGNATURE, SOURCE};
pub use test::{EXPECT, REQUEST, RESPOND, TEST};
pub use top::TOP;

/// The keys of a part of the file.
pub struct Keys {
    /// In the order in which they are shown.
    pub known: &'static [Key],
    /// Those that have to be there.
    pub required: &'static [&'static str],
    /// Those of which one has to be there; none: nothing is asked.
    pub one_of: &'static [&'static str],
}

/// A key.
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it is for, with its default.
    pub about: &'static str,
    /// Of what shape its value is.
    pub shape: Shape,
    /// Values to show, as JSON.
    pub examples: &'static [&'static str],
}

/// Of what shape a value is. What it means, and whether it makes sense, is checked elsewhere.
pub enum Shape {
    /// A text.
    Text,
    /// One of some words.
    Word(fn() -> Vec<&'static str>),
    /// `true` or `false`.
    Truth,
    /// A whole number from, to.
    Whole(u32, u32),
    /// A number.
    Number,
    /// `10s`.
    Duration,
    /// `50/s`.
    Rate,
    /// `410`, `4xx`, `200-204`.
    Statuses,
    /// A list.
    List(&'static Shape),
    /// One of them, or a list.
    OneOrMore(&'static Shape),
    /// A mapping of these keys.
    Part(&'static Keys),
    /// A mapping whose keys are names that the user gives.
    Named(Names, &'static Shape),
    /// The same, with at least one entry.
    Some(&'static Shape),
    /// One of these.
    Either(&'static [Shape]),
    /// What a rule asks of an event.
    Condition,
    /// Any value.
    Anything,
}

/// What names are like.
#[derive(Clone, Copy)]
pub enum Names {
    /// Of sources and destinations.
    Ours,
    /// Of anything else.
    Free,
    /// Of the normalised fields that a payload can have.
    Fields,
}

impl Keys {
    /// The names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.known.iter().map(|key| key.name)
    }
}

/// The words of a table of words and their meanings.
fn words<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}

/// A key.
const fn key(name: &'static str, shape: Shape, about: &'static str, examples: &'static [&'static str]) -> Key {
    Key { name, about, shape, examples }
}

//! The words of the product as plain data and pure text. Imports nothing else of this crate.

pub mod address;
pub mod attempt;
pub mod clock;
pub mod decimal;
pub mod delivery;
pub mod edit;
pub mod event;
pub mod field;
pub mod head;
pub mod id;
pub mod json;
pub mod mask;
pub mod name;
pub mod order;
pub mod path;
pub mod pem;
pub mod plan;
pub mod problem;
pub mod quantity;
pub mod received;
pub mod rejected;
pub mod secret;
pub mod standard_webhooks;
pub mod status_set;
pub mod text;
pub mod waited;

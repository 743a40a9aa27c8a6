//! hookgate: payment webhooks come in, are verified, matched against rules, stored, and forwarded.
//!
//! The walk of one webhook, in reading order: [`receive`] takes the request off the socket, [`provider`] verifies it and
//! makes an event of it, [`route`] decides where it goes, [`store`] makes that durable, the provider is answered, and
//! [`deliver`] attempts each delivery through its [`destination`].

pub mod app;
pub mod cli;
pub mod config;

pub mod domain;

pub mod rehearse;

pub mod admin;
pub mod receive;

pub mod provider;
pub mod route;
pub mod store;

pub mod deliver;
pub mod destination;

pub mod log;
pub mod metrics;
pub mod tasks;

//! The stories: one test binary, a file per story.

#![allow(clippy::unwrap_used, reason = "clippy allows it in tests, but not in what supports them")]

mod admin;
mod auth;
mod bad_destinations;
mod cli;
mod client_tls;
mod config;
mod crash;
mod crowds;
mod deliver;
mod deliver_log;
mod destination;
mod dev;
mod docs;
mod forged;
mod front_door;
mod golden;
mod header_signatures;
mod held;
mod imports;
mod lane_limits;
mod late;
mod limits;
mod parked;
mod paused;
mod provider;
mod provider_behaviour;
mod quarantine;
mod reference;
mod reload;
mod replay;
mod restarts;
mod route;
mod secrets;
mod signing;
mod store_contract;
mod store_faults;
mod store_room;
mod store_sqlite;
mod support;
mod tls;
mod trusted;
mod wait_for;
mod walk;
mod wire;

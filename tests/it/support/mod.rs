//! The actors of the stories: a sender, the gateway (the real binary on real sockets), and sinks.

pub mod canary;
pub mod descriptors;
pub mod fake_store;
pub mod gateway;
pub mod port;
pub mod proxy;
pub mod scripted_admin;
pub mod sender;
pub mod sink;
pub mod skipped;
pub mod until;

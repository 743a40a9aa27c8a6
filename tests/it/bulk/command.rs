//! The command line of bulk replays.

//! Connections to one destination: dialled, pooled, reused.

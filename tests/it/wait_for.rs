//! Stories of answers that wait until a destination has the event, or cannot get it in time.

mod lanes;

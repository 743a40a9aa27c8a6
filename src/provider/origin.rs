//! Where in a payload the normalised fields of an event were found, for whoever asks why an event is what it is.

use crate::domain::event::Normal;

/// Where a normalised field was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The field; of those that the payload decides.
    pub field: Normal,
    /// The place in the payload, as a path: `txn.state`. `None`: no one place.
    pub place: Option<Box<str>>,
    /// Why that says it, where the field is not what stands at the place.
    pub because: Option<&'static str>,
    /// Whether the signature covers it: nobody on the way could have changed it.
    pub signed: bool,
}

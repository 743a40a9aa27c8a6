//! A destination that is called by HTTP/1.1.

use super::{Destination, Receipt, SendError, Settings};
use crate::domain::{delivery::Delivery, name::Name};
use std::{future::Future, pin::Pin};

/// An HTTP destination.
#[derive(Debug)]
pub struct Http {}

impl Http {
    /// With its settings.
    pub fn new(name: Name, settings: Settings) -> Self {
        let _ = (name, settings);
        todo!("destination")
    }
}

impl Destination for Http {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Pin<Box<dyn Future<Output = Result<Receipt, SendError>> + Send + 'a>> {
        let _ = delivery;
        todo!("destination")
    }
}

//! The addresses that sent a right signature lately: the cap on waiting connections of one address spares them, and bodies
//! from there have memory of their own. An IPv6 address stands for its /64, as it does for the cap.

use super::memory::Standing;
use crate::domain::{
    address::origin,
    clock::{Clock, Instant},
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// So long an address is known.
const KNOWN: Duration = Duration::from_secs(3_600);
/// So many are; beyond it the one that is known longest without a right signature since is forgotten.
const MOST: usize = 10_000;

/// The known addresses.
#[derive(Debug)]
pub struct Senders {
    seen: Mutex<HashMap<IpAddr, Instant>>,
    clock: Clock,
}

impl Senders {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self { seen: Mutex::default(), clock }
    }

    /// A right signature came from there.
    pub fn note(&self, address: IpAddr) {
        let (address, now) = (origin(address), self.clock.instant());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST && !seen.contains_key(&address) {
            let oldest = seen.iter().min_by_key(|(_, at)| **at).map(|(address, _)| *address);
            oldest.and_then(|oldest| seen.remove(&oldest));
        }
        seen.insert(address, now);
    }

    /// Known: one came within the hour.
    pub fn standing(&self, address: IpAddr) -> Standing {
        self.standing_at(self.clock.instant(), address)
    }

    fn standing_at(&self, now: Instant, address: IpAddr) -> Standing {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = seen.get(&origin(address)).is_some_and(|at| now.saturating_duration_since(*at) < KNOWN);
        if is_known { Standing::Known } else { Standing::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn an_ipv6_address_is_known_with_its_64() {
        let senders = Senders::new(Clock::system());
        let [one, near, far] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|address| address.parse().expect(address));
        senders.note(one);
        assert_eq!([one, near, far].map(|address| senders.standing(address)), [Standing::Known, Standing::Known, Standing::Unknown]);
    }

    #[test]
    fn an_address_is_known_for_an_hour() {
        let senders = Senders::new(Clock::system());
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let before = senders.clock.instant();
        senders.note(address);
        let after = senders.clock.instant();
        let hour = Duration::from_secs(60 * 60);
        assert_eq!(senders.standing_at(before + hour - Duration::from_secs(1), address), Standing::Known);
        assert_eq!(senders.standing_at(after + hour, address), Standing::Unknown);
    }

    #[test]
    fn an_address_is_known_after_its_signature_and_the_oldest_is_forgotten_first() {
        let senders = Senders::new(Clock::system());
        let address = |number: usize| IpAddr::V4(Ipv4Addr::from(u32::try_from(number).expect("small")));
        let knows = |number| senders.standing(address(number)) == Standing::Known;
        assert!(!knows(0));
        for number in 0..=MOST {
            senders.note(address(number));
        }
        assert!(!knows(0));
        assert!(knows(1) && knows(MOST));
        senders.note(address(1));
        senders.note(address(MOST + 1));
        assert!(knows(1) && !knows(2));
    }
}

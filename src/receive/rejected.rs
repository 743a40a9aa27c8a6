//! The requests that were refused for their signature, newest and fairly shared among the addresses that sent them: in
//! memory only, since nothing of an unverified request is written to disk. A key that is set too late finds them here.

use crate::domain::{
    event::Fields,
    json::{Document, Kind},
    received::Received,
    rejected::Rejected,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What all of them take in memory, at most.
const TOTAL: usize = 16 << 20;

/// The longest body that is kept.
const LONGEST: usize = 256 << 10;

/// What one takes besides its body and its header fields, about.
const ENTRY: usize = 1 << 10;

/// A request and why it was refused.
#[derive(Debug)]
pub(super) struct Entry {
    /// The request.
    pub(super) received: Received,
    /// What is wrong with its signature.
    pub(super) reason: String,
    /// The keys that were tried, as the rules file writes them.
    pub(super) keys: Arc<[String]>,
}

/// The requests that are kept.
#[derive(Debug)]
pub(super) struct Ring {
    kept: Mutex<Kept>,
    total: usize,
}

/// In the order of their reception, and by the shares of their addresses.
#[derive(Debug, Default)]
struct Kept {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    shares: HashMap<IpAddr, Share>,
    /// The shares by their size, the largest last.
    by_size: BTreeSet<(usize, IpAddr)>,
    bytes: usize,
}

/// What is kept of one address.
#[derive(Debug, Default)]
struct Share {
    numbers: BTreeSet<u64>,
    bytes: usize,
}

impl Ring {
    /// With its bound.
    pub(super) fn new() -> Self {
        Self::of(TOTAL)
    }

    fn of(total: usize) -> Self {
        Self { kept: Mutex::default(), total }
    }

    /// Keeps a request. One that is no JSON object or too long is not kept; where there is no room, the oldest of the
    /// address goes that takes up most.
    pub(super) fn keep(&self, entry: Entry) {
        let is_object = || Document::read(entry.received.body.clone()).root().kind() == Kind::Object;
        if entry.received.body.len() > LONGEST || !is_object() {
            return;
        }
        let mut kept = self.lock();
        let number = kept.next;
        kept.next += 1;
        kept.insert(number, entry);
        kept.shrink(self.total);
    }

    /// Takes all of them out, oldest first, each with its number.
    pub(super) fn take(&self) -> BTreeMap<u64, Entry> {
        let mut kept = self.lock();
        let next = kept.next;
        mem::replace(&mut *kept, Kept { next, ..Kept::default() }).entries
    }

    /// Puts one back that was taken out, to its place.
    pub(super) fn put_back(&self, number: u64, entry: Entry) {
        let mut kept = self.lock();
        kept.insert(number, entry);
        kept.shrink(self.total);
    }

    /// How many there are, and the newest of them; `claims` reads what the body of a source's request says of itself.
    pub(super) fn newest(&self, limit: usize, claims: impl Fn(&Received) -> Fields) -> (usize, Vec<Rejected>) {
        let (count, found): (usize, Vec<_>) = {
            let kept = self.lock();
            (kept.entries.len(), kept.entries.values().rev().take(limit).map(Entry::sketch).collect())
        };
        // Bodies are shared, not copied, and read outside the lock.
        let shown = |(received, reason, keys): (Received, String, Arc<[String]>)| Rejected {
            at: received.at,
            source: received.source.clone(),
            peer: received.peer,
            reason,
            keys: keys.to_vec(),
            bytes: received.body.len(),
            claims: claims(&received),
        };
        (count, found.into_iter().map(shown).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn sketch(&self) -> (Received, String, Arc<[String]>) {
        (self.received.clone(), self.reason.clone(), Arc::clone(&self.keys))
    }

    fn bytes(&self) -> usize {
        let fields = self.received.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
        self.received.body.len() + fields.sum::<usize>() + ENTRY
    }
}

impl Kept {
    fn insert(&mut self, number: u64, entry: Entry) {
        let (address, bytes) = (whose(entry.received.peer), entry.bytes());
        self.resize(address, |share| {
            share.numbers.insert(number);
            share.bytes += bytes;
        });
        self.bytes += bytes;
        self.entries.insert(number, entry);
    }

    fn shrink(&mut self, total: usize) {
        while self.bytes > total {
            let largest = self.by_size.last().and_then(|(_, address)| self.shares.get(address));
            let Some(number) = largest.and_then(|share| share.numbers.first().copied()) else { return };
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else { return };
        let bytes = entry.bytes();
        self.resize(whose(entry.received.peer), |share| {
            share.numbers.remove(&number);
            share.bytes -= bytes;
        });
        self.bytes -= bytes;
    }

    fn resize(&mut self, address: IpAddr, change: impl FnOnce(&mut Share)) {
        let mut share = self.shares.remove(&address).unwrap_or_default();
        self.by_size.remove(&(share.bytes, address));
        change(&mut share);
        if !share.numbers.is_empty() {
            self.by_size.insert((share.bytes, address));
            self.shares.insert(address, share);
        }
    }
}

/// Whose share an address counts into: whoever has one address of IPv6 has the 2⁶⁴ beside it.
fn whose(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{clock::Timestamp, name::Name};
    use http::HeaderMap;
    use proptest::prelude::*;

    fn entry(peer: &str, number: usize, size: usize) -> Entry {
        let body = format!("{{\"order_no\":\"{number}\",\"pad\":\"{}\"}}", "x".repeat(size));
        let received = Received {
            source: Name::of_part("ottu").expect("a name"),
            headers: HeaderMap::new(),
            body: body.into(),
            peer: peer.parse().expect("an address"),
            at: Timestamp::from_millis(number as i64),
        };
        Entry { received, reason: "wrong".to_owned(), keys: Arc::new(["${KEY}".to_owned()]) }
    }

    fn times(ring: &Ring) -> Vec<i64> {
        ring.newest(usize::MAX, |_| Fields::default()).1.iter().map(|rejected| rejected.at.millis()).collect()
    }

    #[test]
    fn whoever_sends_most_goes_first_and_others_keep_their_share() {
        let ring = Ring::of(20 * ENTRY);
        (0..5).for_each(|number| ring.keep(entry("192.0.2.1", number, 100)));
        (5..1_000).for_each(|number| ring.keep(entry("198.51.100.1", number, 900)));
        let times = times(&ring);
        assert_eq!(times[times.len() - 5..], [4, 3, 2, 1, 0], "the quiet address lost nothing");
        assert_eq!(times[0], 999, "of the loud one the newest are there");
        let kept = ring.lock();
        assert!(kept.bytes <= 20 * ENTRY && kept.bytes == kept.entries.values().map(Entry::bytes).sum::<usize>());
        assert_eq!(kept.by_size.len(), kept.shares.len());
    }

    #[test]
    fn a_network_of_ipv6_has_one_share() {
        let ring = Ring::of(10 * ENTRY);
        (0..4).for_each(|number| ring.keep(entry("192.0.2.1", number, 0)));
        (4..100).for_each(|number| ring.keep(entry(&format!("2001:db8::{number:x}"), number, 0)));
        assert!(times(&ring).ends_with(&[3, 2, 1, 0]));
    }

    #[test]
    fn what_is_too_long_or_no_object_is_not_kept() {
        let ring = Ring::new();
        ring.keep(entry("192.0.2.1", 1, LONGEST));
        let mut list = entry("192.0.2.1", 2, 0);
        list.received.body = "[1]".into();
        ring.keep(list);
        assert_eq!(times(&ring), [0_i64; 0]);
    }

    #[test]
    fn what_is_put_back_is_in_its_place_again() {
        let ring = Ring::new();
        (0..4).for_each(|number| ring.keep(entry("192.0.2.1", number, 0)));
        let taken = ring.take();
        assert!(times(&ring).is_empty());
        ring.keep(entry("192.0.2.1", 4, 0));
        taken.into_iter().filter(|(number, _)| number % 2 == 0).for_each(|(number, entry)| ring.put_back(number, entry));
        assert_eq!(times(&ring), [4, 2, 0]);
        assert_eq!(ring.take().len(), 3);
        assert_eq!(ring.lock().bytes, 0);
    }

    /// The law in a line: while it is too much, the oldest goes of the address that takes up most.
    fn shrunk(mut model: Vec<(u64, IpAddr, usize)>, total: usize) -> Vec<(u64, IpAddr, usize)> {
        let held =
            |model: &[(u64, IpAddr, usize)], of: IpAddr| model.iter().filter(|(_, address, _)| *address == of).map(|one| one.2).sum();
        while model.iter().map(|(_, _, bytes)| bytes).sum::<usize>() > total {
            let largest = model.iter().map(|(_, address, _)| (held(&model, *address), *address)).max();
            let oldest = model.iter().filter(|one| Some(one.1) == largest.map(|(_, address): (usize, _)| address)).map(|one| one.0).min();
            model.retain(|(number, _, _)| Some(*number) != oldest);
        }
        model
    }

    proptest! {
        /// So no address loses anything while another takes up more, and the bound is kept after every step.
        #[test]
        fn whatever_comes_and_is_put_back_the_ring_is_what_the_law_says(
            steps in proptest::collection::vec((0..5_usize, 0..5_000_usize, 0..20_u8), 1..80),
        ) {
            const PEERS: [&str; 5] = ["192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1"];
            let total = 12 * ENTRY;
            let ring = Ring::of(total);
            let mut model = Vec::new();
            for (number, (peer, size, step)) in steps.into_iter().enumerate() {
                if step == 0 {
                    // As a reload does: all are taken out, and those that still do not verify are put back.
                    let taken = ring.take();
                    prop_assert!(taken.keys().copied().eq(model.iter().map(|one: &(u64, IpAddr, usize)| one.0)));
                    model.retain(|one| one.0 % 3 != 0);
                    taken.into_iter().filter(|(number, _)| number % 3 != 0).for_each(|(number, entry)| ring.put_back(number, entry));
                }
                let entry = entry(PEERS[peer], number, size);
                model.push((number as u64, whose(entry.received.peer), entry.bytes()));
                model = shrunk(model, total);
                ring.keep(entry);
                let kept = ring.lock();
                let found: Vec<_> = kept.entries.iter().map(|(number, entry)| (*number, whose(entry.received.peer), entry.bytes())).collect();
                prop_assert_eq!(&found, &model);
                prop_assert!(kept.bytes <= total && kept.bytes == found.iter().map(|one| one.2).sum::<usize>());
                prop_assert_eq!(kept.shares.values().map(|share| share.numbers.len()).sum::<usize>(), found.len());
            }
        }
    }
}

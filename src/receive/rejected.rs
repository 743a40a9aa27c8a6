//! The requests that were refused for their signature: in memory only, since nothing of an unverified request is written to
//! disk, and fairly shared among the addresses that sent them. A key that is set too late finds them here.

use super::memory::Standing;
use crate::domain::{
    address::origin,
    event::Fields,
    json::{Document, Kind},
    received::Received,
    rejected::Rejected,
};
use http::{HeaderMap, HeaderValue};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What all of them take in memory, at most.
const TOTAL: usize = 16 << 20;

/// The longest body that is kept.
const LONGEST: usize = 256 << 10;

/// What one takes besides its body and its header fields, about.
const ENTRY: usize = 1 << 10;

/// A request and why it was refused.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The request.
    pub(super) received: Received,
    /// The path that was called.
    pub(super) path: Box<str>,
    /// What is wrong with its signature.
    pub(super) reason: String,
    /// The keys that were tried, as the rules file writes them.
    pub(super) keys: Arc<[String]>,
    /// Whether its address sent a right signature lately, as the provider did until its key was changed.
    pub(super) standing: Standing,
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
    entries: BTreeMap<u64, Arc<Entry>>,
    shares: HashMap<IpAddr, Share>,
    /// The shares in the order in which they have to give: strangers first, the largest of them first; so the last one gives.
    by_size: BTreeSet<(Rank, IpAddr)>,
    bytes: usize,
}

/// Whose share gives way: a stranger's before a known sender's, the larger before the smaller.
type Rank = (bool, usize);

/// What is kept of one address.
#[derive(Debug, Default)]
struct Share {
    numbers: BTreeSet<u64>,
    bytes: usize,
    is_known: bool,
}

impl Share {
    fn rank(&self) -> Rank {
        (!self.is_known, self.bytes)
    }
}

impl Ring {
    /// With its bound.
    pub(super) fn new() -> Self {
        Self::of(TOTAL)
    }

    fn of(total: usize) -> Self {
        Self { kept: Mutex::default(), total }
    }

    /// Keeps a request, and gives its number. One that is no JSON object or too long is not kept; where there is no room, the
    /// oldest of the address goes that takes up most, of strangers before known senders.
    pub(super) fn keep(&self, entry: Entry) -> Option<u64> {
        let is_object = || Document::read(entry.received.body.clone()).root().kind() == Kind::Object;
        if entry.received.body.len() > LONGEST || !is_object() {
            return None;
        }
        let entry = entry.compact();
        let mut kept = self.lock();
        let number = kept.next;
        kept.next += 1;
        kept.insert(number, entry);
        kept.shrink(self.total);
        Some(number)
    }

    /// The numbers of all of them, oldest first.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.lock().entries.keys().copied().collect()
    }

    /// The one of that number, if it is still there.
    pub(super) fn get(&self, number: u64) -> Option<Arc<Entry>> {
        self.lock().entries.get(&number).cloned()
    }

    /// Takes out the one of that number.
    pub(super) fn remove(&self, number: u64) {
        self.lock().remove(number);
    }

    /// Puts another reason in the place of the one of that number, if it is still there.
    pub(super) fn change(&self, number: u64, entry: Entry) {
        let mut kept = self.lock();
        if kept.entries.contains_key(&number) {
            kept.remove(number);
            kept.insert(number, entry);
        }
    }

    /// How many there are, and the newest of them; `claims` reads what a request says of itself.
    pub(super) fn newest(&self, limit: usize, claims: impl Fn(&Entry) -> Fields) -> (usize, Vec<Rejected>) {
        let (count, found): (usize, Vec<_>) = {
            let kept = self.lock();
            (kept.entries.len(), kept.entries.values().rev().take(limit).cloned().collect())
        };
        let shown = |entry: Arc<Entry>| Rejected {
            at: entry.received.at,
            source: entry.received.source.clone(),
            peer: entry.received.peer,
            reason: entry.reason.clone(),
            keys: entry.keys.to_vec(),
            bytes: entry.received.body.len(),
            claims: claims(&entry),
        };
        // Bodies are read outside the lock.
        (count, found.into_iter().map(shown).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let fields = self.received.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
        self.received.body.len() + fields.sum::<usize>() + ENTRY
    }

    /// With header fields of its own: those that came are parts of the buffer of their connection, and would keep all of it.
    fn compact(mut self) -> Self {
        let own = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).expect("it is the value of a header field");
        let came = &self.received.headers;
        let mut headers = HeaderMap::with_capacity(came.len());
        headers.extend(came.iter().map(|(name, value)| (name.clone(), own(value))));
        self.received.headers = headers;
        self
    }
}

impl Kept {
    fn insert(&mut self, number: u64, entry: Entry) {
        let (address, bytes, is_known) = (origin(entry.received.peer), entry.bytes(), entry.standing == Standing::Known);
        self.resize(address, |share| {
            share.numbers.insert(number);
            share.bytes += bytes;
            share.is_known |= is_known;
        });
        self.bytes += bytes;
        self.entries.insert(number, Arc::new(entry));
    }

    fn shrink(&mut self, total: usize) {
        while self.bytes > total {
            let giving = self.by_size.last().and_then(|(_, address)| self.shares.get(address));
            let Some(number) = giving.and_then(|share| share.numbers.first().copied()) else { return };
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else { return };
        let bytes = entry.bytes();
        self.resize(origin(entry.received.peer), |share| {
            share.numbers.remove(&number);
            share.bytes -= bytes;
        });
        self.bytes -= bytes;
    }

    fn resize(&mut self, address: IpAddr, change: impl FnOnce(&mut Share)) {
        let mut share = self.shares.remove(&address).unwrap_or_default();
        self.by_size.remove(&(share.rank(), address));
        change(&mut share);
        if !share.numbers.is_empty() {
            self.by_size.insert((share.rank(), address));
            self.shares.insert(address, share);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{clock::Timestamp, name::Name};
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
        let (reason, keys) = ("wrong".to_owned(), Arc::new(["${KEY}".to_owned()]));
        Entry { received, path: "/webhooks/ottu".into(), reason, keys, standing: Standing::Unknown }
    }

    fn fill(ring: &Ring, numbers: std::ops::Range<usize>, entry: impl Fn(usize) -> Entry) {
        for number in numbers {
            ring.keep(entry(number));
        }
    }

    fn of_known(entry: Entry) -> Entry {
        Entry { standing: Standing::Known, ..entry }
    }

    fn times(ring: &Ring) -> Vec<i64> {
        ring.newest(usize::MAX, |_| Fields::default()).1.iter().map(|rejected| rejected.at.millis()).collect()
    }

    #[test]
    fn whoever_sends_most_goes_first_and_others_keep_their_share() {
        let ring = Ring::of(20 * ENTRY);
        fill(&ring, 0..5, |number| entry("192.0.2.1", number, 100));
        fill(&ring, 5..1_000, |number| entry("198.51.100.1", number, 900));
        let times = times(&ring);
        assert_eq!(times[times.len() - 5..], [4, 3, 2, 1, 0], "the quiet address lost nothing");
        assert_eq!(times[0], 999, "of the loud one the newest are there");
        let kept = ring.lock();
        assert!(kept.bytes <= 20 * ENTRY && kept.bytes == kept.entries.values().map(|entry| entry.bytes()).sum::<usize>());
        assert_eq!(kept.by_size.len(), kept.shares.len());
    }

    #[test]
    fn a_network_of_ipv6_has_one_share() {
        let ring = Ring::of(10 * ENTRY);
        fill(&ring, 0..4, |number| entry("192.0.2.1", number, 0));
        fill(&ring, 4..100, |number| entry(&format!("2001:db8::{number:x}"), number, 0));
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
    fn what_is_refused_again_keeps_its_place() {
        let ring = Ring::new();
        fill(&ring, 0..4, |number| entry("192.0.2.1", number, 0));
        let reason = |number: u64| ring.get(number).map(|entry| entry.reason.clone());
        ring.change(1, Entry { reason: "still wrong".to_owned(), ..entry("192.0.2.1", 1, 0) });
        ring.remove(2);
        ring.change(2, entry("192.0.2.1", 2, 0));
        assert_eq!((ring.numbers(), reason(1).as_deref(), reason(2)), (vec![0, 1, 3], Some("still wrong"), None));
        assert_eq!(times(&ring), [3, 1, 0]);
        ring.numbers().into_iter().for_each(|number| ring.remove(number));
        let kept = ring.lock();
        assert_eq!((kept.bytes, kept.shares.len(), kept.by_size.len()), (0, 0, 0));
    }

    #[test]
    fn strangers_however_many_and_small_do_not_push_out_what_a_known_sender_sent() {
        let ring = Ring::of(20 * ENTRY);
        fill(&ring, 0..5, |number| of_known(entry("192.0.2.1", number, 900)));
        fill(&ring, 5..1_000, |number| entry(&format!("198.51.{}.{}", number / 250, number % 250), number, 0));
        assert!(times(&ring).ends_with(&[4, 3, 2, 1, 0]));
        fill(&ring, 1_000..1_100, |number| of_known(entry("192.0.2.1", number, 900)));
        assert!(times(&ring).iter().all(|time| *time >= 1_000), "known senders are bounded too");
    }

    #[test]
    fn the_bounds_are_those_of_the_contract_and_a_header_field_keeps_no_buffer() {
        let ring = Ring::new();
        assert!(ring.keep(entry("192.0.2.1", 0, (256 << 10) - 200)).is_some() && ring.keep(entry("192.0.2.1", 1, 256 << 10)).is_none());
        fill(&ring, 2..200, |number| entry("192.0.2.1", number, 200 << 10));
        assert!((15 << 20..=16 << 20).contains(&ring.lock().bytes));
        let buffer = bytes::Bytes::from(vec![b'x'; 8 << 10]);
        let mut large = entry("192.0.2.1", 0, 0);
        large.received.headers.insert("x-part", HeaderValue::from_maybe_shared(buffer.slice(..10)).expect("a value"));
        let number = ring.keep(large).expect("it is kept");
        assert!(buffer.is_unique(), "the buffer of the connection is let go");
        assert_eq!(ring.get(number).expect("it is there").received.headers["x-part"], "xxxxxxxxxx");
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
        fn whatever_comes_and_goes_the_ring_is_what_the_law_says(
            steps in proptest::collection::vec((0..5_usize, 0..5_000_usize, 0..20_u8), 1..80),
        ) {
            const PEERS: [&str; 5] = ["192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1"];
            let total = 12 * ENTRY;
            let ring = Ring::of(total);
            let mut model = Vec::new();
            for (number, (peer, size, step)) in steps.into_iter().enumerate() {
                if step == 0 {
                    // As a reload does: what verifies goes, the rest stays in its place.
                    prop_assert!(ring.numbers().into_iter().eq(model.iter().map(|one: &(u64, IpAddr, usize)| one.0)));
                    model.retain(|one| one.0 % 3 != 0);
                    ring.numbers().into_iter().filter(|number| number % 3 == 0).for_each(|number| ring.remove(number));
                }
                let entry = entry(PEERS[peer], number, size);
                model.push((number as u64, origin(entry.received.peer), entry.bytes()));
                model = shrunk(model, total);
                ring.keep(entry);
                let kept = ring.lock();
                let found: Vec<_> = kept.entries.iter().map(|(number, entry)| (*number, origin(entry.received.peer), entry.bytes())).collect();
                prop_assert_eq!(&found, &model);
                prop_assert!(kept.bytes <= total && kept.bytes == found.iter().map(|one| one.2).sum::<usize>());
                prop_assert_eq!(kept.shares.values().map(|share| share.numbers.len()).sum::<usize>(), found.len());
            }
        }
    }
}

//! Says for most signatures that they were never seen, without a look at the disk. Never says so of one that was.

/// Words in a block: one cache line, so that a question costs one miss per segment.
const BLOCK: usize = 8;
/// Keys per block: 12 bits each.
const KEYS_PER_BLOCK: usize = 42;
/// Keys in the smallest segment.
const SMALLEST: usize = 16_384;

/// A Bloom filter that grows by segments, each a third of what there is: at most 2 bytes per key.
#[derive(Debug, Default)]
pub(super) struct Filter {
    segments: Vec<Segment>,
    keys: usize,
}

#[derive(Debug)]
struct Segment {
    words: Vec<u64>,
    room: usize,
}

impl Filter {
    /// Takes in a key.
    pub(super) fn add(&mut self, key: i64) {
        if self.segments.last().is_none_or(|segment| segment.room == 0) {
            let room = (self.keys / 3).max(SMALLEST);
            self.segments.push(Segment { words: vec![0; room.div_ceil(KEYS_PER_BLOCK) * BLOCK], room });
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.room -= 1;
            let (start, bits) = place(key, segment.words.len());
            for bit in bits {
                segment.words[start + bit / 64] |= 1 << (bit % 64);
            }
        }
        self.keys += 1;
    }

    /// Whether the key may have been taken in.
    pub(super) fn may_have(&self, key: i64) -> bool {
        self.segments.iter().any(|segment| {
            let (start, bits) = place(key, segment.words.len());
            bits.into_iter().all(|bit| (segment.words[start + bit / 64] >> (bit % 64)) & 1 == 1)
        })
    }

    /// Takes in all keys of another one; further keys still go where there is room.
    pub(super) fn join(&mut self, other: Self) {
        self.keys += other.keys;
        self.segments.splice(0..0, other.segments);
    }

    /// How many keys were taken in.
    pub(super) fn len(&self) -> usize {
        self.keys
    }
}

/// The first word of the key's block, and five bits in it.
fn place(key: i64, words: usize) -> (usize, [usize; 5]) {
    let hash = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let blocks = (words / BLOCK) as u128;
    let block = ((u128::from(hash) * blocks) >> 64) as usize;
    let mut rest = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    rest ^= rest >> 32;
    (block * BLOCK, [0, 9, 18, 27, 36].map(|shift| ((rest >> shift) & 511) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> i64 {
        fastrand::Rng::with_seed(number).i64(..)
    }

    #[test]
    fn what_was_taken_in_is_found_and_little_else() {
        let (mut filter, mut other) = (Filter::default(), Filter::default());
        (0..60_000).for_each(|number| filter.add(key(number)));
        (60_000..100_000).for_each(|number| other.add(key(number)));
        filter.join(other);
        (100_000..110_000).for_each(|number| filter.add(key(number)));
        assert!((0..110_000).all(|number| filter.may_have(key(number))));
        let wrong = (200_000..300_000).filter(|number| filter.may_have(key(*number))).count();
        assert!(wrong < 10_000, "{wrong} of 100,000");
        assert_eq!(filter.len(), 110_000);
    }

    #[test]
    fn it_takes_two_bytes_per_key() {
        let mut filter = Filter::default();
        (0..300_000).for_each(|number| filter.add(key(number)));
        let bytes: usize = filter.segments.iter().map(|segment| segment.words.len() * 8).sum();
        assert!(bytes <= 640_000, "{bytes}");
    }
}

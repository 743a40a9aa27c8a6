//! The schedule of retries in words, for people.

use super::retry::{Jitter, Retry};
use crate::domain::quantity::show_duration;
use std::{fmt, time::Duration};

/// So many delays are written out.
const SHOWN: u32 = 4;

const PRESETS: [(&str, Retry); 4] =
    [("fast", Retry::FAST), ("standard", Retry::STANDARD), ("patient", Retry::PATIENT), ("none", Retry::NONE)];

/// As `standard: at once, after failures again within 5s, 15s, 45s, 135s, … 1h, each drawn from zero up; given up after 30 attempts or 3d`.
impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = PRESETS.iter().find(|(_, preset)| preset == self) {
            write!(f, "{name}: ")?;
        }
        let retries = self.max_attempts.saturating_sub(1);
        if retries == 0 {
            return f.write_str("one attempt, at once, and none after it");
        }
        let longest = self.delay(retries, 1.0);
        let mut delays: Vec<Duration> = (1..=retries.min(SHOWN)).map(|failed| self.delay(failed, 1.0)).collect();
        let grown = delays.iter().position(|delay| *delay == longest);
        delays.truncate(grown.map_or(delays.len(), |last| last + 1));
        let shown = delays.iter().map(|delay| show_duration(*delay)).collect::<Vec<_>>().join(", ");
        let (how, spread) = match self.jitter {
            Jitter::Full => ("within", ", each drawn from zero up"),
            Jitter::Equal => ("within", ", each drawn from the half of it up"),
            Jitter::None => ("after", ""),
        };
        write!(f, "at once, after failures again {how} {shown}")?;
        match grown {
            None => write!(f, ", … {}", show_duration(longest))?,
            Some(last) if last as u32 + 1 < retries => f.write_str(" and so on")?,
            Some(_) => {}
        }
        let attempts = self.max_attempts;
        write!(f, "{spread}; given up after {attempts} attempts or {}", show_duration(self.max_elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_like_a_sentence() {
        let own = |retry: Retry| Retry { jitter: Jitter::None, ..retry };
        let three = Retry { max_attempts: 3, jitter: Jitter::Equal, ..Retry::STANDARD };
        let even = Retry { multiplier: 1.0, max_attempts: 9, ..own(Retry::STANDARD) };
        let short = Retry { max_interval: Duration::from_secs(15), ..own(Retry::STANDARD) };
        for (retry, wanted) in [
            (
                Retry::STANDARD,
                "standard: at once, after failures again within 5s, 15s, 45s, 135s, … 1h, each drawn from zero up; given up after 30 attempts or 3d",
            ),
            (
                Retry::FAST,
                "fast: at once, after failures again within 1s, 2s, 4s, 8s, … 1m, each drawn from zero up; given up after 10 attempts or 15m",
            ),
            (Retry::NONE, "none: one attempt, at once, and none after it"),
            (three, "at once, after failures again within 5s, 15s, each drawn from the half of it up; given up after 3 attempts or 3d"),
            (even, "at once, after failures again after 5s and so on; given up after 9 attempts or 3d"),
            (short, "at once, after failures again after 5s, 15s and so on; given up after 30 attempts or 3d"),
        ] {
            assert_eq!(retry.to_string(), wanted);
        }
    }
}

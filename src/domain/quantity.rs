//! Durations, sizes and rates as the rules file and the API write them: a number and a unit.

use std::{fmt, time::Duration};

/// Why a text is no duration or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// A number without a unit.
    #[error("the unit is missing")]
    NoUnit,
    /// Not digits followed by one of the units.
    #[error("not a whole number followed by a unit")]
    Malformed,
    /// Larger than can be held.
    #[error("too large")]
    TooLarge,
}

/// An integer followed by `ms`, `s`, `m`, `h` or `d`. A bare number is an error; `0s` is allowed.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(QuantityError::NoUnit),
        _ => return Err(QuantityError::Malformed),
    };
    number.checked_mul(millis).filter(|millis| *millis <= i64::MAX as u64).map(Duration::from_millis).ok_or(QuantityError::TooLarge)
}

/// An integer followed by `KiB`, `MiB` or `GiB`, in bytes.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split(text)?;
    let bytes = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" => return Err(QuantityError::NoUnit),
        _ => return Err(QuantityError::Malformed),
    };
    number.checked_mul(bytes).ok_or(QuantityError::TooLarge)
}

/// So many in each second, minute or hour; one at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    per: Duration,
}

impl Rate {
    /// No rate is higher than this many in a second.
    pub const MOST: u32 = 100_000;

    /// `N/s`, `N/m` or `N/h`; N from 1 to [`Rate::MOST`].
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (count, unit) = split(text)?;
        let per = match unit {
            "/s" => 1,
            "/m" => 60,
            "/h" => 3_600,
            "" => return Err(QuantityError::NoUnit),
            _ => return Err(QuantityError::Malformed),
        };
        match u32::try_from(count) {
            Ok(count @ 1..=Self::MOST) => Ok(Self { count, per: Duration::from_secs(per) }),
            Ok(0) => Err(QuantityError::Malformed),
            Ok(_) | Err(_) => Err(QuantityError::TooLarge),
        }
    }

    /// From one to the next.
    pub fn interval(self) -> Duration {
        self.per / self.count
    }
}

/// As it was written.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            3_600 => "h",
            60 => "m",
            _ => "s",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// A duration in the largest unit that holds it whole: `90s`, `2h`, `1500ms`.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", millis / size),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

fn split(text: &str) -> Result<(u64, &str), QuantityError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(QuantityError::Malformed);
    }
    let number = text[..digits].parse().map_err(|_| QuantityError::TooLarge)?;
    Ok((number, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, micros) in [("50/s", 20_000), ("1/s", 1_000_000), ("30/m", 2_000_000), ("1/h", 3_600_000_000), ("100000/s", 10)] {
            assert_eq!(Rate::parse(text).map(Rate::interval), Ok(Duration::from_micros(micros)), "{text}");
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        for (text, error) in [
            ("50", QuantityError::NoUnit),
            ("0/s", QuantityError::Malformed),
            ("5/d", QuantityError::Malformed),
            ("5 /s", QuantityError::Malformed),
            ("1.5/s", QuantityError::Malformed),
            ("-1/s", QuantityError::Malformed),
            ("100001/s", QuantityError::TooLarge),
            ("99999999999999999999/s", QuantityError::TooLarge),
        ] {
            assert_eq!(Rate::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [("0s", 0), ("250ms", 250), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("7d", 604_800_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
        for (text, error) in [
            ("5", QuantityError::NoUnit),
            ("", QuantityError::Malformed),
            ("s", QuantityError::Malformed),
            ("-5s", QuantityError::Malformed),
            ("1.5h", QuantityError::Malformed),
            ("5 s", QuantityError::Malformed),
            ("5S", QuantityError::Malformed),
            ("99999999999999999999s", QuantityError::TooLarge),
            ("999999999999999999d", QuantityError::TooLarge),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("1024"), Err(QuantityError::NoUnit));
        assert_eq!(size("1MB"), Err(QuantityError::Malformed));
    }
}

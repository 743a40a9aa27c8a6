//! Decimal numbers in plain notation, compared digit by digit: amounts are never floats.

use std::{cmp::Ordering, fmt};

/// How many digits a number may have, those before and after the point together.
pub const MAX_DIGITS: usize = 40;

/// A decimal number of at most 40 digits in plain notation; never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// How many of the digits stand before the point; there are no zeros at the front.
    whole: usize,
    /// Zeros fill the end, so that equal numbers have equal digits.
    digits: [u8; MAX_DIGITS],
}

/// A text taken apart as a number in plain notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// Whether a minus stands before it.
    pub negative: bool,
    /// The digits before the point, with commas between thousands or without.
    pub whole: &'a str,
    /// The digits after the point; empty where there is no point.
    pub fraction: &'a str,
}

impl<'a> Plain<'a> {
    /// `-?\d+(\.\d+)?`, or the same with a comma before each three digits of the whole part.
    pub fn parse(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (unsigned, None),
        };
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let mut groups = whole.split(',');
        let first = groups.next().filter(|first| is_digits(first))?;
        let is_grouped = groups.clone().next().is_none() || (first.len() <= 3 && groups.all(|group| group.len() == 3 && is_digits(group)));
        let is_plain = is_grouped && fraction.is_none_or(is_digits);
        is_plain.then_some(Self { negative: unsigned.len() < text.len(), whole, fraction: fraction.unwrap_or_default() })
    }
}

impl Decimal {
    /// From plain notation, also with commas between thousands; `None` where the text is no such number or has too many digits.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = Plain::parse(text)?;
        let whole = plain.whole.bytes().filter(|byte| *byte != b',');
        let written = whole.clone().count();
        if written + plain.fraction.len() > MAX_DIGITS {
            return None;
        }
        let zeros = whole.clone().take_while(|digit| *digit == b'0').count();
        let mut digits = [b'0'; MAX_DIGITS];
        for (place, digit) in digits.iter_mut().zip(whole.skip(zeros).chain(plain.fraction.bytes())) {
            *place = digit;
        }
        let negative = plain.negative && digits != [b'0'; MAX_DIGITS];
        Some(Self { negative, whole: written - zeros, digits })
    }
}

/// In plain notation, without zeros at the end.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = self.digits.split_at(self.whole);
        let text = |digits: &[u8]| digits.iter().map(|digit| char::from(*digit)).collect::<String>();
        let (whole, fraction) = (text(whole), text(fraction));
        let fraction = fraction.trim_end_matches('0');
        f.write_str(if self.negative { "-" } else { "" })?;
        f.write_str(if whole.is_empty() { "0" } else { &whole })?;
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = self.whole.cmp(&other.whole).then_with(|| self.digits.cmp(&other.digits));
        match (self.negative, other.negative) {
            (false, false) => size,
            (true, true) => size.reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a decimal"))
    }

    #[test]
    fn plain_notation_is_read_and_nothing_else() {
        for good in ["0", "-0", "007", "10.000", "-1.5", "1,000", "12,345,678.90", "0.1", &"9".repeat(40)] {
            assert!(Decimal::parse(good).is_some(), "{good}");
        }
        let forty_one = "9".repeat(41);
        for bad in [
            "", "-", ".", "1.", ".5", "+1", "1e3", "0x1", " 1", "1 ", "--1", "1,00", "1,0000", ",100", "1,,000", "1000,000", "1.0,00",
            "1.2.3", "None", "١٢", &forty_one,
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_that_no_float_can_tell_apart_differ() {
        assert!(decimal("0.30000000000000000000000000000000000001") > decimal("0.3"));
        assert!(decimal("9007199254740993") > decimal("9007199254740992"));
        assert_eq!(decimal("1.10"), decimal("1.1"));
        assert_eq!(decimal("-0.00"), decimal("0"));
        assert_eq!(decimal("1,000.5"), decimal("01000.500"));
        assert!(decimal("-2") < decimal("-1") && decimal("-1") < decimal("0") && decimal("0.09") < decimal("0.1"));
    }

    /// What a number is worth in units of 10⁻⁹, by another way of reading it.
    fn reference(text: &str) -> i128 {
        let text = text.replace(',', "");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = format!("{whole}{fraction:0<9}");
        digits.parse().expect("generated numbers fit")
    }

    proptest! {
        #[test]
        fn comparing_agrees_with_integers_of_the_same_scale(a in r"-?[0-9]{1,20}(\.[0-9]{1,9})?", b in r"-?(0|[1-9][0-9]{0,2}(,[0-9]{3}){0,3})(\.[0-9]{1,9})?") {
            prop_assert_eq!(decimal(&a).cmp(&decimal(&b)), reference(&a).cmp(&reference(&b)), "{} {}", a, b);
            prop_assert_eq!(decimal(&a) == decimal(&b), reference(&a) == reference(&b));
            prop_assert_eq!(decimal(&a).cmp(&decimal(&a)), Ordering::Equal);
            prop_assert_eq!(decimal(&decimal(&a).to_string()), decimal(&a));
        }
    }
}

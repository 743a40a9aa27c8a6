//! What signatures in headers have in common: a header that is there once, and a signed time with its tolerance.

use super::{HeaderFault, SignatureError};
use crate::domain::clock::Timestamp;
use http::{HeaderMap, HeaderName};
use std::time::Duration;

/// What is wrong with that header.
pub(super) fn fault(name: &HeaderName, fault: HeaderFault) -> SignatureError {
    SignatureError::Header { name: name.clone(), fault }
}

/// The value of a header that has to be there once: of two, nobody could tell which one was signed.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], SignatureError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes()),
        (None, _) => Err(fault(name, HeaderFault::Missing)),
        (Some(_), Some(_)) => Err(fault(name, HeaderFault::Repeated)),
    }
}

/// A time in whole seconds since 1970, from the text that was signed.
pub(super) fn seconds(name: &HeaderName, text: &[u8]) -> Result<Timestamp, SignatureError> {
    let is_whole = (1..=15).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number: Option<i64> = std::str::from_utf8(text).ok().filter(|_| is_whole).and_then(|text| text.parse().ok());
    let wanted = "a whole number of seconds since 1970";
    let number = number.ok_or_else(|| fault(name, HeaderFault::Malformed(wanted.into())))?;
    Ok(Timestamp::from_millis(number.saturating_mul(1_000)))
}

/// Whether a request with that time, which came at another, is neither too old nor ahead of its time. Compared with the
/// time of reception, not with now: what is verified again later must hold then.
pub(super) fn near(name: &HeaderName, time: Timestamp, came: Timestamp, tolerance: Duration) -> Result<(), SignatureError> {
    let (age, lead) = (came.since(time), time.since(came));
    let whole = |duration: Duration| Duration::from_secs(duration.as_millis().div_ceil(1_000) as u64);
    if age > tolerance {
        return Err(fault(name, HeaderFault::Stale { by: whole(age), tolerance }));
    }
    if lead > tolerance {
        return Err(fault(name, HeaderFault::Ahead { by: whole(lead), tolerance }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const NAME: HeaderName = HeaderName::from_static("x-time");

    #[test]
    fn a_time_is_near_within_the_tolerance_both_ways() {
        let came = Timestamp::from_millis(1_614_265_330_500);
        let tolerance = Duration::from_secs(300);
        for (seconds, is_near) in [(0, false), (-301, false), (-300, false), (-299, true), (1, true), (300, true), (301, false)] {
            let time = Timestamp::from_millis(1_614_265_330_000 + seconds * 1_000);
            assert_eq!(near(&NAME, time, came, tolerance).is_ok(), is_near || seconds == 0, "{seconds}");
        }
        let told = |millis| near(&NAME, Timestamp::from_millis(millis), came, tolerance).map_err(|error| error.to_string());
        assert_eq!(told(1_614_265_000_900), Err("`x-time` is 330s before the request came, which is more than 5m".to_owned()));
        assert_eq!(told(1_614_268_930_500), Err("`x-time` is 1h after the request came, which is more than 5m".to_owned()));
    }

    #[test]
    fn a_time_is_written_in_digits() {
        for (text, millis) in [
            ("1614265330", Some(1_614_265_330_000)),
            ("0", Some(0)),
            ("007", Some(7_000)),
            ("999999999999999", Some(999_999_999_999_999_000)),
        ] {
            assert_eq!(seconds(&NAME, text.as_bytes()).ok().map(Timestamp::millis), millis, "{text}");
        }
        for text in ["", " 1", "+1", "-1", "1.0", "1e3", "9999999999999999", "2021-02-25T15:02:10Z", "١"] {
            let told = seconds(&NAME, text.as_bytes()).expect_err(text).to_string();
            assert_eq!(told, "`x-time` is not a whole number of seconds since 1970", "{text}");
        }
    }

    #[test]
    fn a_header_has_to_be_there_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(one(&headers, &NAME), Err(fault(&NAME, HeaderFault::Missing)));
        headers.append(NAME, HeaderValue::from_static("1"));
        assert_eq!(one(&headers, &NAME), Ok(&b"1"[..]));
        headers.append(NAME, HeaderValue::from_static("1"));
        assert_eq!(one(&headers, &NAME), Err(fault(&NAME, HeaderFault::Repeated)));
    }
}

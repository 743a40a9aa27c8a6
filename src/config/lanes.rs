//! Checks `breaker` and `rate_limit`: when a destination is left alone, and how fast it is called.

use super::{
    interpolate::Value,
    keys::{Fields, single},
    problem::Problems,
    schema::BREAKER,
    tree::{Kind, Scalar},
    values::Checks,
};
use crate::{
    deliver::breaker::Settings,
    domain::quantity::{QuantityError, Rate},
};
use std::time::Duration;

/// What switches the breaker off.
pub const OFF: &str = "off";

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);
const MOST: u32 = 10_000;

/// `breaker` as in YAML.
pub enum Breaker<'t> {
    /// `off`, or what should be.
    Word(Scalar<'t>),
    /// Its settings.
    Settings(Option<Scalar<'t>>, Option<Scalar<'t>>),
}

/// What is under `breaker`.
pub fn read<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Breaker<'t>> {
    let entry = fields.entry("breaker")?;
    let of = format!("`breaker` of {}", fields.of);
    if !matches!(entry.value.kind, Kind::Mapping(_)) {
        return single(&of, &entry.value, problems).map(Breaker::Word);
    }
    let fields = Fields::read(of, entry.key.span, &entry.value, &BREAKER, problems)?;
    Some(Breaker::Settings(fields.scalar("open_after", problems), fields.scalar("probe_every", problems)))
}

/// What the file does not say is as in `base`.
pub fn breaker<'c>(
    raw: Option<&Breaker<'_>>,
    base: Option<Settings>,
    of: &str,
    read: super::retry::Read<'c>,
    checks: &mut Checks<'c>,
) -> Option<Settings> {
    match raw {
        None => base,
        Some(Breaker::Word(scalar)) => {
            let value = read(checks, Some(*scalar))?;
            if value.text != OFF {
                let hint = "the settings are `{ open_after: 10, probe_every: 30s }`, each with this default".to_owned();
                checks.wrong(&value, &format!("`breaker` of {of}"), "`off`, or a mapping", Some(hint));
            }
            None
        }
        Some(Breaker::Settings(open_after, probe_every)) => {
            let base = base.unwrap_or(Settings::STANDARD);
            let of = format!("`breaker` of {of}");
            let number = read(checks, *open_after);
            let number = number.and_then(|value| checks.whole_number(&value, &format!("`open_after` in {of}"), 1..=MOST));
            let time = read(checks, *probe_every);
            let time = time.and_then(|value| checks.duration(&value, &format!("`probe_every` in {of}"), SHORTEST..=LONGEST));
            Some(Settings { open_after: number.unwrap_or(base.open_after), probe_every: time.unwrap_or(base.probe_every) })
        }
    }
}

/// `N/s`, `N/m` or `N/h`.
pub fn rate(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<Rate> {
    let hint = match Rate::parse(&value.text) {
        Ok(rate) => return Some(rate),
        Err(QuantityError::NoUnit) => format!("add its time: `{0}/s` for each second, `{0}/m` for each minute", value.written),
        Err(QuantityError::TooLarge) => format!("the most is {} in each second, minute or hour", Rate::MOST),
        Err(QuantityError::Malformed) => {
            "a rate is a whole number, at least 1, and one of /s, /m, /h; `paused: true` sends nothing".to_owned()
        }
    };
    checks.wrong(value, &format!("`rate_limit` of {of}"), "a rate such as `50/s`", Some(hint));
    None
}

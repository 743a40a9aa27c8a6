//! What is valid but doubtful. Each lint says what may go wrong; `allow` silences it where it is meant.

use super::{Config, raw, values::Checks};

mod addresses;
mod allow;
mod answers;
mod judged;
mod possible;
mod reach;
mod secrets;
mod signed;
mod times;
mod untested;
mod values;

use self::{
    judged::Judged,
    possible::{Patience, World},
};

pub use addresses::plain_http;
pub use allow::Allowed;
pub use times::hold_too_short;

/// Looks at a file in which nothing is wrong: where something is, parts of it are missing. Says whether all was looked at.
pub fn weigh(raw: &raw::Raw<'_>, config: &Config, checks: &mut Checks<'_>) -> bool {
    let problems = &mut checks.problems;
    secrets::literal_secret(raw, problems);
    for (raw, source) in raw.sources.iter().zip(&config.sources) {
        addresses::allow_ips_lossy(raw, &source.provider.scheme, problems);
    }
    times::keep_too_short(raw, &config.store, &config.sources, &config.destinations, problems);
    let patience = Patience::default();
    let worlds = World::all(&config.sources, &patience);
    if worlds.is_empty() {
        return false;
    }
    let rules = Judged::all(&raw.rules, &config.rules.rules, &worlds);
    for rule in &rules {
        if !values::unknown_value(rule, &config.sources, problems) {
            reach::never_matches(rule, &worlds, problems);
        }
        values::loose_pattern(rule, &config.sources, problems);
        values::state_without_kind(rule, problems);
        signed::unsigned_field(rule, problems);
        reach::catch_all(rule, &worlds, problems);
    }
    reach::shadowed(&rules, problems);
    answers::respond_conflict(&rules, problems);
    untested::untested_rule(&rules, config, problems);
    true
}

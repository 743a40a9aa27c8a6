//! Lints on times that have to outlast others.

use super::super::{
    Destination, Source,
    diagnostics::Code,
    problem::{Problem, Problems},
    raw,
    text::quote,
    tree::Span,
};
use crate::{domain::quantity::show_duration, store};
use std::time::Duration;

/// How much longer than the provider a held request should wait, so that the provider is never the last to give up.
const HOLD_MARGIN: Duration = Duration::from_secs(5);

/// `hold` should outlast the provider's patience.
pub fn hold_too_short(hold: Duration, provider_timeout: Duration, of: &str, at: Span, problems: &mut Problems) {
    if hold >= provider_timeout + HOLD_MARGIN {
        return;
    }
    let message = format!(
        "{of} holds a request for {}, which is not 5s longer than the provider waits ({})",
        show_duration(hold),
        show_duration(provider_timeout)
    );
    let hint = "a request that we give up first is lost at the provider; only its own timeout is sent again";
    problems.push(Problem::warning(Code::HoldTooShort, at, message).help(hint));
}

/// What is still tried, or whose repeats are absorbed, should not be forgotten before.
pub fn keep_too_short(
    raw: &raw::Raw<'_>,
    store: &store::Settings,
    sources: &[Source],
    destinations: &[Destination],
    problems: &mut Problems,
) {
    let dedupe = raw.sources.iter().zip(sources).map(|(raw, source)| {
        let of = format!("`dedupe` of source {}", quote(raw.name.text));
        (source.receive.dedupe, of, raw.dedupe.map_or(raw.name.span, |scalar| scalar.span))
    });
    let tried = raw.destinations.iter().zip(destinations).filter(|(_, destination)| destination.policy.retry.max_attempts > 1);
    let tried = tried.map(|(raw, destination)| {
        let of = format!("the time for which destination {} is tried (`max_elapsed`)", quote(raw.name.text));
        (destination.policy.retry.max_elapsed, of, raw.name.span)
    });
    // Of several that are as long, the first.
    let longest = |all: Vec<(Duration, String, Span)>| all.into_iter().rev().max_by_key(|(time, ..)| *time);
    let [dedupe, tried] = [longest(dedupe.collect()), longest(tried.collect())];
    let unresolved = "a delivery that is given up at last is removed with its event before anybody has seen it";
    let finished = "an event is removed as soon as its last delivery is done, and nobody can look at it, nor send it again";
    let repeated = "an event that was removed is not known any more, and its repeat is delivered a second time";
    for (key, written, keep, longest, why) in [
        ("keep", raw.store.keep, store.keep, &dedupe, repeated),
        ("keep", raw.store.keep, store.keep, &tried, finished),
        ("keep_unresolved", raw.store.keep_unresolved, store.keep_unresolved, &tried, unresolved),
    ] {
        let Some((time, of, at)) = longest.as_ref().filter(|(time, ..)| *time > keep) else { continue };
        let message = format!("`{key}` of `store` is {}, which is shorter than {of}: {}", show_duration(keep), show_duration(*time));
        let at = written.map_or(*at, |scalar| scalar.span);
        problems.push(Problem::warning(Code::KeepTooShort, at, message).help(why));
    }
}

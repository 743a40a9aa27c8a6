//! Checks `respond` of a rule: a code, or a destination that the answer waits for.

use super::{
    Source,
    diagnostics::Code,
    interpolate::Value,
    keys::{self, Fields},
    problem::{Problem, Problems},
    sources::answer,
    text::quote,
    tree::{Kind, Scalar, Span},
    values::Checks,
};
use crate::{
    domain::{
        name::Name,
        plan::{self, Respond},
        quantity::show_duration,
    },
    provider::Scheme,
    receive::ON_THE_WAY,
    route::{Action, condition::Condition},
};
use std::time::Duration;

const OK: u16 = 200;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(600);
/// By then an attempt has ended, unless its destination has a `timeout` that is longer than usual.
const WITHIN: Duration = Duration::from_secs(10);

/// `respond` as in YAML.
pub enum Raw<'t> {
    /// A code, or what should be.
    Code(Scalar<'t>),
    /// What to wait for.
    Wait(Box<Wait<'t>>),
}

/// The same, where it waits.
pub struct Wait<'t> {
    /// Where the key is.
    pub at: Span,
    pub wait_for: Option<Scalar<'t>>,
    pub within: Option<Scalar<'t>>,
    pub ok: Option<Scalar<'t>>,
    pub otherwise: Option<Scalar<'t>>,
}

impl Raw<'_> {
    /// Where it is said.
    pub fn at(&self) -> Span {
        match self {
            Self::Code(scalar) => scalar.span,
            Self::Wait(wait) => wait.at,
        }
    }
}

/// What is under `respond`.
pub fn read<'t>(fields: &Fields<'t>, problems: &mut Problems) -> Option<Raw<'t>> {
    let entry = fields.entry("respond")?;
    if !matches!(entry.value.kind, Kind::Mapping(_)) || entry.value.was_refused() {
        return fields.scalar("respond", problems).map(Raw::Code);
    }
    let at = entry.key.span;
    let fields = Fields::read(format!("`respond` of {}", fields.of), at, &entry.value, &keys::WAIT, problems)?;
    fields.require("wait_for", problems);
    fields.require("otherwise", problems);
    Some(Raw::Wait(Box::new(Wait {
        at,
        wait_for: fields.scalar("wait_for", problems),
        within: fields.scalar("within", problems),
        ok: fields.scalar("ok", problems),
        otherwise: fields.scalar("otherwise", problems),
    })))
}

/// The rule whose answer is checked.
pub struct Rule<'r> {
    /// For messages.
    pub of: &'r str,
    /// When it holds.
    pub when: Option<&'r Condition>,
    /// What it does.
    pub action: &'r Action,
    /// Where it sends to, as written; `None`: it does not say.
    pub to: Option<&'r [Scalar<'r>]>,
}

/// An answer that every source which the rule can match takes for a yes, and takes in time.
pub fn respond(raw: &Raw<'_>, rule: &Rule<'_>, sources: &[Source], checks: &mut Checks<'_>) -> Option<Respond> {
    let can_match = |source: &&Source| rule.when.is_none_or(|when| when.can_hold(&source.receive.name));
    let matched: Vec<_> = sources.iter().filter(can_match).collect();
    let of = format!("`respond` of {}", rule.of);
    match raw {
        Raw::Code(scalar) => code(*scalar, &of, &matched, sources, checks).map(Respond::Now),
        Raw::Wait(wait) => {
            let destination = destination(wait, rule, checks);
            let within = within(wait, &of, &matched, checks);
            let ok = wait.ok.map_or(Some(OK), |scalar| code(scalar, &format!("`ok` in {of}"), &matched, sources, checks));
            let otherwise = wait.otherwise.and_then(|scalar| code(scalar, &format!("`otherwise` in {of}"), &matched, sources, checks));
            Some(Respond::After(plan::Wait { destination: destination?, within: within?, ok: ok?, otherwise: otherwise? }))
        }
    }
}

fn code(scalar: Scalar<'_>, of: &str, matched: &[&Source], sources: &[Source], checks: &mut Checks<'_>) -> Option<u16> {
    let strictest = matched.iter().min_by_key(|source| source.provider.scheme.answers().count());
    let scheme = strictest.map_or(&Scheme::Ottu, |source| &source.provider.scheme);
    let is_for_others = sources.iter().any(|source| source.provider.scheme.answers().count() > scheme.answers().count());
    let hint = strictest.filter(|_| is_for_others).map(|source| {
        let name = quote(&source.receive.name);
        format!("the rule can answer the source {name}, to which anything else is a failure; for others alone, put `from` under `when`")
    });
    answer(&Value::literal(scalar), of, scheme, hint, checks)
}

/// One of those that the rule sends to.
fn destination(wait: &Wait<'_>, rule: &Rule<'_>, checks: &mut Checks<'_>) -> Option<Name> {
    let (scalar, of) = (wait.wait_for?, rule.of);
    if *rule.action == Action::Drop {
        let found = Problem::error(Code::ToOrDrop, wait.at, format!("{of} drops the event, and its `respond` waits for a delivery of it"));
        checks.problems.push(found.help("write the code alone, as in `respond: 200`, or say where `to` send the event"));
        return None;
    }
    // A rule that says nowhere `to` send, or nothing right, has heard of it.
    let to = rule.to?;
    if !to.iter().any(|destination| destination.text == scalar.text) {
        let near = checks.problems.did_you_mean(scalar.text, to.iter().map(|destination| destination.text));
        let message =
            format!("`wait_for` in `respond` of {of} wants a destination that its `to` names, found {}{near}", quote(scalar.text));
        checks.say(&Value::literal(scalar), Code::UnknownDestination, message, None);
        return None;
    }
    Some(Name::unchecked(scalar.text))
}

/// No longer than every source waits, with time for the way there and back.
fn within(wait: &Wait<'_>, of: &str, matched: &[&Source], checks: &mut Checks<'_>) -> Option<Duration> {
    let hasty = matched.iter().min_by_key(|source| source.receive.provider_timeout);
    let most = hasty.map_or(LONGEST, |source| source.receive.provider_timeout.saturating_sub(ON_THE_WAY));
    let kept = show_duration(ON_THE_WAY);
    let waits = hasty.map(|source| {
        let (name, patience) = (quote(&source.receive.name), show_duration(source.receive.provider_timeout));
        format!("the source {name} waits {patience} for an answer (`provider_timeout`), and {kept} of it are kept for the way")
    });
    if let Some(waits) = waits.as_ref().filter(|_| most.is_zero()) {
        let message = format!("{of} waits for a destination and has no time: {waits}");
        let hint = "set the `provider_timeout` of the source to what is set at the provider, or answer at once, as in `respond: 200`";
        checks.problems.push(Problem::error(Code::InvalidValue, wait.at, message).help(hint));
        return None;
    }
    let Some(value) = wait.within.map(Value::literal) else { return Some(WITHIN.min(most)) };
    let of = format!("`within` in {of}");
    let within = checks.duration(&value, &of, Duration::ZERO..=Duration::MAX)?;
    if !(SHORTEST..=most).contains(&within) {
        let wanted = format!("a duration from {} to {}", show_duration(SHORTEST), show_duration(most));
        checks.wrong(&value, &of, &wanted, waits);
        return None;
    }
    Some(within)
}

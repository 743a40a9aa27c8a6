//! Checks `tests`: each with an event and something that is expected of it, all names in it known.

use super::{
    Source, Test,
    diagnostics::Code,
    expect,
    interpolate::Value,
    json::Payloads,
    keys::{key, mapping},
    problem::{Problem, closest},
    raw,
    rules::Known,
    text::quote,
    tree::{Entry, Position},
    values::Checks,
    when::no_field,
};
use crate::{
    domain::path::Path,
    provider::ottu::samples::{self, SAMPLES},
    rehearse::Case,
    route::Rule,
};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};

/// What tests can refer to.
pub struct Stage<'k, 't> {
    /// The names in the file.
    pub known: &'k Known<'t>,
    /// The sources; those that are wrong are left out.
    pub sources: &'k [Source],
    /// The names of the rules.
    pub rules: HashSet<&'k str>,
}

impl<'k, 't> Stage<'k, 't> {
    /// Of a file.
    pub fn new(known: &'k Known<'t>, sources: &'k [Source], rules: &'k [Rule]) -> Self {
        Self { known, sources, rules: rules.iter().map(|rule| &*rule.name).collect() }
    }
}

/// Checks all tests. Those that are wrong are left out.
pub fn cases(raw: &[raw::Case<'_>], stage: &Stage<'_, '_>, checks: &mut Checks<'_>) -> Vec<Test> {
    let mut names: HashMap<&str, Position> = HashMap::new();
    let mut payloads = Payloads::default();
    let mut cases = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let of = raw.name.map_or_else(|| format!("test {}", index + 1), |name| format!("test {}", quote(name.text)));
        if let Some(name) = raw.name {
            if !(1..=100).contains(&name.text.chars().count()) {
                checks.problems.error(Code::InvalidName, name.span, "the name of a test has 1 to 100 characters");
            }
            match names.get(name.text) {
                None => drop(names.insert(name.text, name.span.start)),
                Some(first) => {
                    let message = format!("the test in line {} is called {} too", first.line, quote(name.text));
                    checks.problems.push(Problem::error(Code::DuplicateName, name.span, message).help("every test has a name of its own"));
                }
            }
        }
        let case = case(raw, &of, stage, &mut payloads, checks);
        cases.extend(case.map(|case| Test { at: checks.texts.diagnose(Problem::error(Code::FailedTest, raw.at, "")), case }));
    }
    cases
}

fn case(raw: &raw::Case<'_>, of: &str, stage: &Stage<'_, '_>, payloads: &mut Payloads, checks: &mut Checks<'_>) -> Option<Case> {
    let source = source(raw, of, stage, checks);
    let payload = payload(raw, of, payloads, checks);
    let expect = raw.expect.as_ref().map(|raw| expect::expect(raw, of, source, stage, payloads, checks));
    Some(Case { name: raw.name?.text.into(), from: source?.receive.name.clone(), payload: payload?, expect: expect? })
}

/// The one named, else the first. `None`: there is none, which was said.
fn source<'k>(raw: &raw::Case<'_>, of: &str, stage: &Stage<'k, '_>, checks: &mut Checks<'_>) -> Option<&'k Source> {
    let Some(from) = raw.from else { return stage.sources.first() };
    let found = stage.sources.iter().find(|source| &*source.receive.name == from.text);
    // One that is wrong is known all the same.
    if found.is_none() && !stage.known.sources.contains(&from.text) {
        let near = checks.problems.did_you_mean(from.text, stage.known.sources.iter().copied());
        let message = format!("{of} comes from the source {}, which is not defined{near}", quote(from.text));
        checks.say(&Value::literal(from), Code::UnknownSource, message, None);
    }
    found
}

fn payload(raw: &raw::Case<'_>, of: &str, payloads: &mut Payloads, checks: &mut Checks<'_>) -> Option<Bytes> {
    if let Some(set) = raw.set.filter(|_| !raw.says_sample) {
        let found = Problem::error(Code::InvalidValue, set.key.span, format!("{of} has `set` and no `sample` to change"));
        checks.problems.push(found.help("what `event` writes out needs no `set`; with a built-in sample write `sample: payment.paid`"));
    }
    match (raw.event, raw.says_sample) {
        (Some(event), false) => written(event, of, payloads, checks),
        (None, true) => sample(raw, of, payloads, checks),
        (Some(event), true) => {
            let found = Problem::error(Code::InvalidValue, event.key.span, format!("{of} has both `event` and `sample`"));
            checks.problems.push(found.help("keep one of them; `set` changes fields of a sample"));
            None
        }
        (None, false) => {
            let found = Problem::error(Code::MissingKey, raw.at, format!("{of} has no `event`"));
            checks.problems.push(found.help("write the payload, as in `event: { state: paid }`, or name one: `sample: payment.paid`"));
            None
        }
    }
}

/// The payload that stands in the file.
fn written(event: &Entry, of: &str, payloads: &mut Payloads, checks: &mut Checks<'_>) -> Option<Bytes> {
    let entries = mapping(&format!("`event` of {of}"), event.key.span, &event.value, &mut checks.problems)?;
    let is_misplaced = |entry: &Entry| matches!(key(entry), Some("sample" | "set"));
    if !entries.is_empty() && entries.iter().all(is_misplaced) {
        let found =
            Problem::error(Code::InvalidValue, event.key.span, format!("`event` of {of} is a payload, and this one names a sample"));
        checks.problems.push(found.help("write `sample: …` and `set: …` in the place of `event`"));
        return None;
    }
    match payloads.json(&event.value) {
        Ok(json) => Some(json.into()),
        Err(problem) => {
            checks.problems.push(problem);
            None
        }
    }
}

/// A built-in sample, with its changes.
fn sample(raw: &raw::Case<'_>, of: &str, payloads: &mut Payloads, checks: &mut Checks<'_>) -> Option<Bytes> {
    let name = raw.sample?;
    let Some(sample) = samples::find(name.text) else {
        let near = closest(name.text, SAMPLES.iter().map(|sample| sample.name)).map(|near| format!("; did you mean {}?", quote(near)));
        let hint =
            near.is_none().then(|| format!("the samples are {}", SAMPLES.iter().map(|sample| sample.name).collect::<Vec<_>>().join(", ")));
        let message = format!("{of} wants the sample {}, and there is none of that name{}", quote(name.text), near.unwrap_or_default());
        checks.say(&Value::literal(name), Code::UnknownSample, message, hint);
        return None;
    };
    let mut payload = Bytes::from_static(sample.payload);
    let Some(set) = raw.set else { return Some(payload) };
    let entries = mapping(&format!("`set` of {of}"), set.key.span, &set.value, &mut checks.problems)?;
    let mut is_good = true;
    for entry in entries {
        match change(entry, &payload, of, payloads, checks) {
            Some(changed) => payload = changed,
            None => is_good = false,
        }
    }
    is_good.then_some(payload)
}

fn change(entry: &Entry, payload: &Bytes, of: &str, payloads: &mut Payloads, checks: &mut Checks<'_>) -> Option<Bytes> {
    let name = key(entry)?;
    let path = match Path::parse(name) {
        Ok(path) => path,
        Err(error) => {
            let (message, hint) = no_field(name, &format!("`set` of {of}"), &error.to_string());
            checks.problems.push(Problem::error(Code::InvalidName, entry.key.span, message).help(hint));
            return None;
        }
    };
    let changed = payloads.json(&entry.value).and_then(|value| payloads.set(payload, &path, &value, entry.key.span));
    match changed {
        Ok(Ok(changed)) => Some(changed),
        Ok(Err(error)) => {
            let message = format!("`set` of {of} cannot set {}: {error}", quote(name));
            checks.problems.push(
                Problem::error(Code::InvalidValue, entry.key.span, message).help("a number in a path indexes an array that is there"),
            );
            None
        }
        Err(problem) => {
            checks.problems.push(problem);
            None
        }
    }
}

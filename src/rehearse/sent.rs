//! Compares what a destination would get with what a test expects of it.

use super::{case::Request, judge::Mismatch, request, same::is_same};
use crate::{
    destination::{self, Preview},
    domain::{
        clock::Timestamp,
        delivery::{Accepted, Delivery},
        event::Event,
        mask::MASK,
        name::Name,
        plan::Target,
    },
};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;

/// The differences. `target`: that the event goes there, and by which rules.
pub(super) fn judge(
    destination: &Name,
    wanted: &Request,
    target: Option<&Target>,
    settings: Option<&destination::Settings>,
    event: &Event,
) -> Vec<Mismatch> {
    let key = format!("request.{destination}");
    let none = |why: String| vec![Mismatch::new(key.clone(), json!("a request"), json!(why))];
    let (Some(target), Some(settings)) = (target, settings) else { return none("none: the event does not go there".to_owned()) };
    match destination::preview(settings, &delivery(target, event), event) {
        Ok(preview) => differences(&key, wanted, &preview, settings),
        Err(error) => none(format!("none: {error}")),
    }
}

/// The first attempt at once, as if its signature held.
fn delivery(target: &Target, event: &Event) -> Delivery {
    let accepted = Accepted { verified: true, ..Accepted::supposed(event) };
    Delivery {
        event: Arc::new(accepted),
        rules: target.rules.clone(),
        attempt: 1,
        at: Timestamp::default(),
        body: event.payload.bytes().clone(),
    }
}

fn differences(key: &str, wanted: &Request, preview: &Preview, settings: &destination::Settings) -> Vec<Mismatch> {
    let Request { method, path, headers, body } = wanted;
    let mut differences = Vec::new();
    if let Some(method) = method
        && *method != preview.method
    {
        differences.push(Mismatch::new(format!("{key}.method"), json!(method.as_str()), json!(preview.method.as_str())));
    }
    if let Some(path) = path
        && let found = part_like(path, path_of(&preview.url))
        && **path != *found
    {
        let url = request::url(&preview.url, settings);
        differences.push(Mismatch::new(format!("{key}.path"), json!(path), json!(part_like(path, path_of(&url)))));
    }
    for (name, value) in headers {
        let mut found = preview.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let found = found.next();
        // What is secret is not told, be it wanted or found.
        if found == Some(MASK) && **value != *MASK {
            let wanted = format!("{MASK} (what is secret is compared as {MASK})");
            differences.push(Mismatch::new(format!("{key}.headers.{name}"), json!(wanted), json!("another text")));
        } else if found != Some(value) {
            differences.push(Mismatch::new(format!("{key}.headers.{name}"), json!(value), json!(found)));
        }
    }
    if let Some(body) = body
        && !is_same(&Bytes::copy_from_slice(body.as_bytes()), &preview.shown_body)
    {
        let found = String::from_utf8_lossy(&preview.shown_body);
        differences.push(Mismatch::new(format!("{key}.body"), json!(body), json!(found)));
    }
    differences
}

/// The path alone where that is all that is wanted, else with its query.
fn part_like<'t>(wanted: &str, target: &'t str) -> &'t str {
    if wanted.contains('?') { target } else { target.split_once('?').map_or(target, |(path, _)| path) }
}

/// What stands behind the authority of a url.
fn path_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |found| found + "://".len());
    url[authority..].find(['/', '?']).map_or("/", |found| &url[authority + found..])
}

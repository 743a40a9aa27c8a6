//! Checks `destinations`.

use super::{
    Destination, auth,
    calls::{concurrency, method, statuses, success, timeout},
    defaults::Defaults,
    diagnostics::Code,
    headers, lanes, order, payload,
    problem::Problem,
    raw,
    retry::retry,
    sign::sign,
    sources::name,
    text::quote,
    tls, url,
    values::Checks,
};
use crate::{
    deliver::Policy,
    destination::{Auth, LinkLocal, Settings},
    domain::{field::Field, name::Name},
};
use http::Uri;
use std::collections::HashMap;

/// Checks all destinations, with what `defaults` says for those that do not say it themselves. Gives with them the fields by
/// whose values some keep an order.
pub fn destinations(
    raw: &[raw::Destination<'_>],
    of_all: &raw::Defaults<'_>,
    checks: &mut Checks<'_>,
) -> (Vec<Destination>, HashMap<Name, Field>) {
    let defaults = Defaults::check(of_all, checks);
    let is_ordered = |raw: &raw::Destination<'_>| raw.says_order_by || of_all.says_order_by;
    if let Some(wait) = of_all.order_wait.filter(|_| !raw.iter().any(is_ordered)) {
        order::is_idle(wait, "`defaults`", "since no destination has `order_by`", checks);
    }
    let mut orders = HashMap::new();
    let mut one = |raw: &raw::Destination<'_>| {
        let of = of(raw);
        if let Some(wait) = raw.order_wait.filter(|_| !is_ordered(raw)) {
            order::is_idle(wait, &of, "since it has no `order_by`", checks);
        }
        let order_by = checks.setting(raw.order_by).and_then(|value| order::by(&value, &of, checks));
        let destination = destination(raw, &defaults, checks);
        orders.extend(order_by.or_else(|| defaults.order_by.clone()).map(|field| (destination.name.clone(), field)));
        destination
    };
    let destinations = raw.iter().map(&mut one).collect();
    (destinations, orders)
}

fn of(raw: &raw::Destination<'_>) -> String {
    format!("destination {}", quote(raw.name.text))
}

fn destination(raw: &raw::Destination<'_>, defaults: &Defaults, checks: &mut Checks<'_>) -> Destination {
    let of = of(raw);
    let name = name(raw.name, &of, checks);
    if raw.name.text == "keep" {
        let message = "a destination cannot be called \"keep\": `unmatched: keep` means to send an event nowhere";
        checks.problems.error(Code::InvalidName, raw.name.span, message);
    }
    let link_local = link_local(raw, &of, checks);
    let url = checks.setting(raw.url);
    let (url, target) = url.map_or_else(|| (url::nowhere(), None), |value| url::destination(&value, &of, link_local, checks));
    let auth = raw.auth.as_ref().and_then(|raw| auth::auth(raw, &of, link_local, checks));
    let tls = raw.tls.as_ref().and_then(|raw| tls::client_tls(raw, checks));
    if let Some(raw) = raw.tls.as_ref().filter(|_| !speaks_tls(&url, auth.as_ref())) {
        let message = format!("`tls` of {of} has nothing to do, since its `url` is plain http");
        checks.problems.push(Problem::error(Code::InvalidValue, raw.at, message).help("write `https://`, or leave `tls` out"));
    }
    let method = checks.setting(raw.method).and_then(|value| method(&value, &of, checks));
    let time = checks.setting(raw.timeout).and_then(|value| timeout(&value, &of, checks));
    let number = checks.setting(raw.concurrency).and_then(|value| concurrency(&value, &of, checks));
    let order_wait = checks.setting(raw.order_wait).and_then(|value| order::wait(&value, &of, checks));
    let rate = checks.setting(raw.rate_limit).and_then(|value| lanes::rate(&value, &of, checks));
    let paused = checks.setting(raw.paused).and_then(|value| checks.truth(&value, &format!("`paused` of {of}")));
    Destination {
        name,
        settings: Settings {
            url,
            target,
            method: method.unwrap_or_else(|| defaults.method.clone()),
            timeout: time.unwrap_or(defaults.timeout),
            headers: headers::of_destination(raw, &defaults.headers, &of, checks),
            payload: payload::payload(raw, &defaults.remove, &of, checks),
            success: success(raw.success.as_ref(), &defaults.success, &of, Checks::setting, checks),
            sign: raw.sign.as_ref().map(|raw| sign(raw, &of, checks)).unwrap_or_default(),
            auth,
            tls,
            link_local,
        },
        policy: Policy {
            concurrency: number.unwrap_or(defaults.concurrency) as usize,
            retry: retry(raw.retry.as_ref(), defaults.retry, &of, Checks::setting, checks),
            give_up_on: statuses(raw.give_up_on.as_ref(), &defaults.give_up_on, "give_up_on", &of, Checks::setting, checks),
            breaker: lanes::breaker(raw.breaker.as_ref(), defaults.breaker, &of, Checks::setting, checks),
            order_wait: order_wait.unwrap_or(defaults.order_wait),
            rate_limit: rate.or(defaults.rate_limit),
            paused: paused.unwrap_or(false),
        },
    }
}

/// Whether any of its connections is one of TLS. Of a url that is wrong or unset nothing is known.
fn speaks_tls(url: &Uri, auth: Option<&Auth>) -> bool {
    let is_https = |url: &Uri| url.scheme_str() == Some("https");
    let fetches = matches!(auth, Some(Auth::OAuth2(client)) if is_https(&client.token_url));
    is_https(url) || fetches || *url == url::nowhere()
}

fn link_local(raw: &raw::Destination<'_>, of: &str, checks: &mut Checks<'_>) -> LinkLocal {
    let allowed = checks.setting(raw.allow_link_local).and_then(|value| checks.truth(&value, &format!("`allow_link_local` of {of}")));
    if allowed == Some(true) { LinkLocal::Allowed } else { LinkLocal::Refused }
}

//! Checks `defaults` and `destinations`.

use super::{
    Destination, auth, diagnostics::Code, interpolate::Value, lanes, order, payload, problem::Problem, raw, retry::retry, sign::sign,
    sources::name, template, text::quote, tls, tree::Scalar, url, values::Checks,
};
use crate::{
    deliver::{Policy, breaker, retry::Retry},
    destination::{Auth, LinkLocal, Settings},
    domain::{field::Field, name::Name, quantity::Rate, status_set::StatusSet, template::Template},
};
use http::{HeaderName, HeaderValue, Method, Uri};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(10);
const CONCURRENCY: u32 = 32;
const MAX_CONCURRENCY: u32 = 1024;

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

struct Defaults {
    timeout: Duration,
    concurrency: u32,
    retry: Retry,
    breaker: Option<breaker::Settings>,
    rate_limit: Option<Rate>,
    order_by: Option<Field>,
    order_wait: Duration,
}

impl Defaults {
    fn check(raw: &raw::Defaults<'_>, checks: &mut Checks<'_>) -> Self {
        let of = "`defaults`";
        let time = raw.timeout.and_then(|scalar| timeout(&Value::literal(scalar), of, checks));
        let number = raw.concurrency.and_then(|scalar| concurrency(&Value::literal(scalar), of, checks));
        Self {
            timeout: time.unwrap_or(TIMEOUT),
            concurrency: number.unwrap_or(CONCURRENCY),
            retry: retry(raw.retry.as_ref(), Retry::STANDARD, of, |_, scalar| scalar.map(Value::literal), checks),
            breaker: lanes::breaker(
                raw.breaker.as_ref(),
                Some(breaker::Settings::STANDARD),
                of,
                |_, scalar| scalar.map(Value::literal),
                checks,
            ),
            rate_limit: raw.rate_limit.and_then(|scalar| lanes::rate(&Value::literal(scalar), of, checks)),
            order_by: raw.order_by.and_then(|scalar| order::by(&Value::literal(scalar), of, checks)),
            order_wait: raw.order_wait.and_then(|scalar| order::wait(&Value::literal(scalar), of, checks)).unwrap_or(order::WAIT),
        }
    }
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
    let methods = [("POST", Method::POST), ("PUT", Method::PUT), ("PATCH", Method::PATCH)];
    let method = checks.setting(raw.method).and_then(|value| checks.word(&value, &format!("`method` of {of}"), &methods));
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
            method: method.unwrap_or(Method::POST),
            timeout: time.unwrap_or(defaults.timeout),
            headers: headers(raw, &of, checks),
            payload: payload::payload(raw, &of, checks),
            success: success(raw, &of, checks),
            sign: raw.sign.as_ref().map(|raw| sign(raw, &of, checks)).unwrap_or_default(),
            auth,
            tls,
            link_local,
        },
        policy: Policy {
            concurrency: number.unwrap_or(defaults.concurrency) as usize,
            retry: retry(raw.retry.as_ref(), defaults.retry, &of, Checks::setting, checks),
            give_up_on: give_up_on(raw, &of, checks),
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

fn timeout(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<Duration> {
    checks.duration(value, &format!("`timeout` of {of}"), SHORTEST..=LONGEST)
}

fn concurrency(value: &Value<'_>, of: &str, checks: &mut Checks<'_>) -> Option<u32> {
    checks.whole_number(value, &format!("`concurrency` of {of}"), 1..=MAX_CONCURRENCY)
}

fn success(raw: &raw::Destination<'_>, of: &str, checks: &mut Checks<'_>) -> StatusSet {
    let Some(scalars) = &raw.success else { return StatusSet::success() };
    if scalars.is_empty() {
        let message = format!("`success` of {of} is empty, so that no delivery could ever succeed");
        checks.problems.error(Code::InvalidValue, raw.name.span, message);
    }
    let values = checks.settings(scalars);
    checks.status_set(&values, &format!("`success` of {of}")).unwrap_or_else(StatusSet::success)
}

fn give_up_on(raw: &raw::Destination<'_>, of: &str, checks: &mut Checks<'_>) -> StatusSet {
    let Some(scalars) = &raw.give_up_on else { return StatusSet::gone() };
    let values = checks.settings(scalars);
    checks.status_set(&values, &format!("`give_up_on` of {of}")).unwrap_or_else(StatusSet::gone)
}

fn headers(raw: &raw::Destination<'_>, of: &str, checks: &mut Checks<'_>) -> Vec<(HeaderName, Template)> {
    let mut seen = HashSet::new();
    let mut headers = Vec::with_capacity(raw.headers.len());
    for (name, value) in &raw.headers {
        let Some(name) = header_name(*name, of, checks) else { continue };
        if !seen.insert(name.0.clone()) {
            checks.problems.error(Code::DuplicateKey, name.1.span, format!("`headers` of {of} has {} twice", quote(name.0.as_str())));
        }
        if name.0 == http::header::AUTHORIZATION && raw.auth.is_some() {
            let message = format!("`headers` of {of} sets \"authorization\", which its `auth` sets");
            checks.problems.push(Problem::error(Code::ReservedHeader, name.1.span, message).help("keep one of them"));
        }
        let Some(value) = checks.setting(Some(*value)) else { continue };
        let what = format!("the header {} of {of}", quote(name.0.as_str()));
        let Some(template) = template::read(&value, &what, checks) else { continue };
        if HeaderValue::from_str(&template.with("x")).is_ok() {
            headers.push((name.0, template));
        } else {
            let message = format!("{what} has a character that no header can have");
            let hint = "visible ASCII and spaces are wanted; a line break at the end of a value is the usual culprit".to_owned();
            checks.say(&value, Code::InvalidHeader, message, Some(hint));
        }
    }
    headers
}

fn header_name<'t>(scalar: Scalar<'t>, of: &str, checks: &mut Checks<'_>) -> Option<(HeaderName, Scalar<'t>)> {
    let Ok(name) = scalar.text.parse::<HeaderName>() else {
        let message = format!("`headers` of {of} has {}, which is no name of a header", quote(scalar.text));
        checks.problems.error(Code::InvalidHeader, scalar.span, message);
        return None;
    };
    if crate::destination::is_reserved(&name) {
        let message = format!("`headers` of {of} sets {}, which the gateway sets itself or never sends", quote(name.as_str()));
        checks.problems.error(Code::ReservedHeader, scalar.span, message);
        return None;
    }
    Some((name, scalar))
}

//! Good rules files: what they come to, and what holds where they say nothing.

use super::{SMALLEST, good, variable};
use hookgate::{
    config::{Code, Unset, load},
    deliver::retry::{Jitter, Retry},
    domain::{
        event::Normal,
        name::Name,
        path::Path as Place,
        plan::{Respond, Wait},
        quantity::duration,
    },
    provider::{
        Algorithm, Encoding, Mapping, Scheme, Unsigned,
        hmac::{Form, SignedTime},
    },
    route::Action,
};
use std::{path::Path, time::Duration};

#[test]
fn the_example_is_a_good_file() {
    let loaded = load(Path::new("rules.example.yaml"), &variable, Unset::Error).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.rules.rules.len(), 8);
    let erp = &loaded.config.destinations[4];
    assert_eq!((&*erp.name, erp.settings.timeout, erp.policy.retry.max_attempts), ("erp", Duration::from_secs(20), 50));
    assert_eq!(erp.settings.headers[0].1.fixed().as_deref(), Some("Bearer hidden-token"));
    assert_eq!(loaded.config.destinations[0].settings.timeout, Duration::from_secs(5));
    for unset in [Unset::Placeholder, Unset::Dev] {
        let loaded = load(Path::new("rules.example.yaml"), &|_| None, unset).unwrap_or_else(|error| panic!("{error}"));
        assert!(loaded.warnings.iter().all(|warning| warning.code == Code::UnsetVariable));
        assert_eq!(loaded.warnings.len(), 4);
    }
}

#[test]
fn what_a_file_does_not_say_is_as_documented() {
    let config = good(SMALLEST);
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.drain_delay, Duration::ZERO);
    assert_eq!((config.admin.listen.to_string().as_str(), &config.admin.token), ("127.0.0.1:9090", &None));
    assert!(config.admin.hosts.is_empty());
    assert_eq!(config.store.path, Path::new("./hookgate-data"));
    assert_eq!(Ok(config.store.keep), duration("30d"));
    assert_eq!(Ok(config.store.keep_unresolved), duration("180d"));
    let source = &config.sources[0];
    assert_eq!((&*source.receive.name, source.receive.path.as_str()), ("ottu", "/webhooks/ottu"));
    assert!(source.receive.allow_ips.is_empty());
    assert_eq!((Ok(source.receive.provider_timeout), Ok(source.receive.hold)), (duration("15s"), duration("60s")));
    assert_eq!((&source.provider.scheme, source.provider.unsigned), (&Scheme::Ottu, Unsigned::Reject));
    assert_eq!(config.rules.answers.get("ottu"), Some(&200));
    assert_eq!(config.rules.unmatched, None);
    let destination = &config.destinations[0];
    assert_eq!(destination.settings.url.to_string(), "http://orders/");
    assert_eq!((destination.settings.method.as_str(), destination.settings.timeout), ("POST", Duration::from_secs(10)));
    assert!(destination.settings.success.contains(204) && !destination.settings.success.contains(302));
    assert!(destination.policy.give_up_on.contains(410) && !destination.policy.give_up_on.contains(400));
    assert_eq!((destination.policy.concurrency, destination.policy.paused), (32, false));
    let rule = &config.rules.rules[0];
    assert!(rule.when.is_none() && !rule.stop && rule.respond.is_none());
    assert_eq!(rule.action, Action::Send(vec![destination.name.clone()]));
}

#[test]
fn every_supported_key_reaches_the_configuration() {
    let config = good(
        r#"
version: 1
server: { listen: "127.0.0.1:0", admin: "[::1]:0", admin_token: "${ERP_TOKEN}", admin_hosts: [Ops.Example.com, "h:9090"], drain_delay: 5s,
  tls: { cert: "${CERT:-cert}.pem", key: "${file:key}.key" }, trusted_proxies: [10.0.0.0/8, "${PROXY:-fd00::1}"] }
store: { path: data, keep: 1d, keep_unresolved: 2d }
sources:
  live:
    provider: ottu
    path: /hooks/live
    secret: ["${file:key}", "${OTTU_HMAC_KEY}", "${NEW:-third}"]
    allow_ips: [203.0.113.0/24, "2001:db8::1"]
    unsigned: accept
    provider_timeout: 25s
    hold: 90s
    respond: 201
  test: { secret: "$${literal}", hold: 30s }
defaults: { timeout: 4s, concurrency: 8, retry: fast }
destinations:
  orders:
    url: https://orders.internal:8443/hooks?x=1
    method: PUT
    timeout: 3s
    retry: { initial_interval: 2s, multiplier: 1.5, max_interval: 1h, jitter: equal, max_attempts: 7, max_elapsed: 3h }
    success: [200, 202-204, 3xx]
    give_up_on: []
    concurrency: 1024
    headers: { X-Tenant: 007, authorization: "Bearer ${ERP_TOKEN}" }
    paused: true
  ledger: { url: "http://ledger", retry: { max_attempts: 3 } }
  once: { url: "http://once", retry: none }
rules:
  - { name: drops, when: { state: [created] }, drop: true, stop: true, respond: 201 }
  - { name: taps, to: [ledger, once], tap: true, stop: false }
unmatched: orders
"#,
    );
    assert_eq!((config.listen.to_string(), config.admin.listen.to_string()), ("127.0.0.1:0".to_owned(), "[::1]:0".to_owned()));
    assert_eq!(config.admin.token.map(|token| token.expose().to_owned()), Some("hidden-token".to_owned()));
    assert_eq!(config.admin.hosts, ["ops.example.com", "h:9090"]);
    assert_eq!(config.drain_delay, Duration::from_secs(5));
    let files = format!("{:?}", config.public.tls.expect("a certificate"));
    assert!(files.contains("/cert.pem\"") && files.contains("/from-file.key\""), "{files}");
    let is_trusted = |address: &str| config.public.trusted_proxies.contains(address.parse().expect(address));
    assert_eq!(["10.1.2.3", "fd00::1", "fd00::2", "127.0.0.1"].map(is_trusted), [true, true, false, false]);
    assert_eq!(
        (config.store.path.as_path(), Ok(config.store.keep), Ok(config.store.keep_unresolved)),
        (Path::new("data"), duration("1d"), duration("2d"))
    );
    let live = &config.sources[0];
    assert_eq!((live.receive.path.as_str(), live.receive.allow_ips.len()), ("/hooks/live", 2));
    assert_eq!((live.receive.provider_timeout, live.receive.hold), (Duration::from_secs(25), Duration::from_secs(90)));
    let keys: Vec<_> = live.provider.secrets.iter().map(|secret| secret.expose()).collect();
    assert_eq!(keys, ["from-file", "hidden-key-1", "third"]);
    assert_eq!(live.provider.unsigned, Unsigned::Accept);
    assert_eq!(config.sources[1].provider.secrets[0].expose(), "${literal}");
    assert_eq!((config.rules.answers.get("live"), config.rules.answers.get("test")), (Some(&201), Some(&200)));
    let orders = &config.destinations[0];
    assert_eq!(
        (orders.settings.method.as_str(), orders.settings.url.path_and_query().map(|path| path.as_str())),
        ("PUT", Some("/hooks?x=1"))
    );
    assert_eq!(orders.settings.headers[0].0, "x-tenant");
    assert_eq!(orders.settings.headers[0].1.fixed().as_deref(), Some("007"));
    assert!(orders.settings.success.contains(203) && orders.settings.success.contains(301) && !orders.settings.success.contains(201));
    assert!(!orders.policy.give_up_on.contains(410));
    assert_eq!((orders.policy.concurrency, orders.policy.paused), (1024, true));
    let retry = Retry {
        initial_interval: Duration::from_secs(2),
        multiplier: 1.5,
        max_interval: Duration::from_secs(3_600),
        jitter: Jitter::Equal,
        max_attempts: 7,
        max_elapsed: Duration::from_secs(10_800),
    };
    assert_eq!(orders.policy.retry, retry);
    let ledger = &config.destinations[1];
    assert_eq!((ledger.settings.timeout, ledger.policy.concurrency), (Duration::from_secs(4), 8));
    assert_eq!((ledger.policy.retry.max_attempts, ledger.policy.retry.initial_interval), (3, Duration::from_secs(1)));
    assert_eq!(config.destinations[2].policy.retry.max_attempts, 1);
    let [drops, taps] = &config.rules.rules[..] else { panic!("two rules") };
    assert_eq!((&drops.action, drops.stop, drops.respond.as_ref()), (&Action::Drop, true, Some(&Respond::Now(201))));
    assert_eq!((&taps.action, taps.stop), (&Action::Tap(vec![ledger.name.clone(), config.destinations[2].name.clone()]), false));
    assert_eq!(config.rules.unmatched.as_deref(), Some("orders"));
}

#[test]
fn what_a_source_says_of_its_sender_reaches_the_provider() {
    let config = good(
        r#"
version: 1
sources:
  billing:
    provider: hmac
    secret: ["${OTTU_HMAC_KEY}"]
    signature: { header: X-Sign, algorithm: sha512, encoding: base64, prefix: "v1 ", timestamp_header: "x-${SECONDS}", tolerance: 90s }
    fields: { state: data.status, amount: body.lines.0."net.amount" }
    respond: 299
    dedupe: 2h
  plain: { provider: hmac, secret: k, signature: { header: x-sign } }
  timed: { provider: hmac, secret: k, signature: { header: x-sign, timestamp_header: x-time } }
  news: { provider: standard-webhooks, secret: whsec_aGlkZGVuLWtleQ==, fields: { operation: type }, allow_ips: [10.0.0.0/8] }
destinations: { orders: http://orders }
rules:
  - { name: others, when: { from: [billing, plain] }, to: orders, respond: 204 }
"#,
    );
    let schemes: Vec<_> = config.sources.iter().map(|source| source.provider.scheme.clone()).collect();
    let mapping = |fields: &[(Normal, &str)]| {
        let mut mapping = Mapping::default();
        fields.iter().for_each(|(name, path)| mapping.insert(*name, Place::parse(path).expect(path)));
        mapping
    };
    let form = |time| Form {
        header: "x-sign".parse().expect("a name"),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefix: "".into(),
        time,
    };
    let time = |header: &str, tolerance: &str| {
        Some(SignedTime { header: header.parse().expect("a name"), tolerance: duration(tolerance).expect(tolerance) })
    };
    let billing = Form { algorithm: Algorithm::Sha512, encoding: Encoding::Base64, prefix: "v1 ".into(), ..form(time("x-5s", "90s")) };
    let wanted = [
        Scheme::Hmac(billing, mapping(&[(Normal::State, "data.status"), (Normal::Amount, "lines.0.\"net.amount\"")])),
        Scheme::Hmac(form(None), Mapping::default()),
        Scheme::Hmac(form(time("x-time", "5m")), Mapping::default()),
        Scheme::StandardWebhooks(mapping(&[(Normal::Operation, "type")])),
    ];
    assert_eq!(schemes, wanted);
    assert_eq!((config.rules.answers.get("billing"), config.rules.answers.get("news")), (Some(&299), Some(&200)));
    assert_eq!(config.rules.rules[0].respond, Some(Respond::Now(204)));
    assert_eq!((config.sources[0].receive.dedupe, config.sources[3].receive.allow_ips.len()), (Duration::from_secs(7_200), 1));
}

#[test]
fn a_rule_can_wait_for_a_destination_and_what_it_does_not_say_is_as_documented() {
    let config = good(
        r#"
version: 1
sources:
  ottu: { secret: k }
  hasty: { secret: k, provider_timeout: 5s }
  news: { provider: standard-webhooks, secret: whsec_aGlkZGVuLWtleQ==, provider_timeout: 30s }
destinations: { orders: http://orders, ledger: http://ledger }
rules:
  - { name: all said, when: { from: ottu }, to: [ledger, orders], respond: { wait_for: orders, within: 8s, ok: 201, otherwise: 200 } }
  - { name: least said, when: { from: ottu }, to: orders, respond: { wait_for: orders, otherwise: 201 } }
  - { name: the longest, when: { from: ottu }, to: orders, respond: { wait_for: orders, within: 12s, otherwise: 201 } }
  - { name: any source, to: orders, tap: true, respond: { wait_for: orders, otherwise: 201 } }
  - { name: others, when: { from: news }, to: orders, respond: { wait_for: orders, within: 27s, ok: 204, otherwise: 299 } }
"#,
    );
    let wait = |within: &str, ok, otherwise| {
        Some(Respond::After(Wait { destination: Name::unchecked("orders"), within: duration(within).expect(within), ok, otherwise }))
    };
    let responds: Vec<_> = config.rules.rules.iter().map(|rule| rule.respond.clone()).collect();
    let wanted = [wait("8s", 201, 200), wait("10s", 200, 201), wait("12s", 200, 201), wait("2s", 200, 201), wait("27s", 204, 299)];
    assert_eq!(responds, wanted);
}

#[test]
fn presets_are_as_documented() {
    for (preset, initial, multiplier, longest, attempts, elapsed) in [
        ("fast", "1s", 2.0, "1m", 10, "15m"),
        ("standard", "5s", 3.0, "1h", 30, "72h"),
        ("patient", "30s", 2.0, "6h", 50, "7d"),
        ("none", "5s", 3.0, "1h", 1, "72h"),
    ] {
        let config = good(&format!("{SMALLEST}defaults: {{ retry: {preset} }}"));
        let retry = config.destinations[0].policy.retry;
        assert_eq!((Ok(retry.initial_interval), retry.multiplier), (duration(initial), multiplier), "{preset}");
        assert_eq!((Ok(retry.max_interval), Ok(retry.max_elapsed)), (duration(longest), duration(elapsed)), "{preset}");
        assert_eq!((retry.max_attempts, retry.jitter), (attempts, Jitter::Full), "{preset}");
    }
}

#[test]
fn conditions_of_every_form_are_read() {
    for when in [
        "{ state: paid }",
        "{ state: [paid, 'p*d', \"a\\\\*b\"] }",
        "{ from: ottu }",
        "{ from: 'ott*' }",
        "{ from: { not: [ottu] } }",
        "{ is_sandbox: true, order_no: 007, body.state: paid, txn.state: x, items.0.id: 1.10 }",
        "{ extra.\"flight.number\": XY1 }",
        "{ amount: { gt: 1, gte: 1.50, lt: \"1,000.000\", lte: 99 } }",
        "{ a: { exists: true }, b: { exists: false, not: x } }",
        "{ customer_email: { matches: \".+@(mail|temp)\\\\.example\" } }",
        "{ any: [ { operation: refund }, { state: \"refund*\" } ] }",
        "{ all: [ { not: { state: paid } }, { any: [ { a: b } ] } ], not: { c: d } }",
        "{ state: &states [paid, cod], body.state: *states }",
    ] {
        let config = good(&SMALLEST.replace("name: all,", &format!("name: all, when: {when},")));
        assert!(config.rules.rules[0].when.is_some(), "{when}");
    }
}

#[test]
fn top_level_not_combines_and_not_under_a_field_compares() {
    use hookgate::route::condition::{Condition, Test};
    let when = |when: &str| {
        let config = good(&SMALLEST.replace("name: all,", &format!("name: all, when: {when},")));
        match config.rules.rules[0].when.clone() {
            Some(Condition::All(mut lines)) if lines.len() == 1 => lines.remove(0),
            other => panic!("one line, not {other:?}"),
        }
    };
    assert!(matches!(when("{ not: { state: paid } }"), Condition::Not(_)));
    assert!(matches!(when("{ state: { not: paid } }"), Condition::Field(_, tests) if matches!(tests[..], [Test::NotEquals(_)])));
}

//! How a destination is reached, signed for and known, by the keys that say it.

use super::good;
use hookgate::{
    deliver::breaker::Settings as Breaker,
    destination::{Auth, ClientCredentials, LinkLocal},
    domain::{field::Field, name::Name, quantity::Rate, secret::Secret},
};
use std::time::Duration;

#[test]
fn how_a_destination_is_reached_is_said_by_its_keys() {
    let config = good(
        r#"
version: 1
sources: { ottu: { secret: k } }
destinations:
  plain: https://orders.example.com/
  machine: { url: "http://169.254.10.1/hooks", allow_link_local: true }
  name: { url: "https://orders.example.com/", allow_link_local: false }
  signed: { url: "https://orders.example.com/", sign: { scheme: standard-webhooks, secret: ["whsec_${NEW:-bmV3}", whsec_b2xk] } }
  bearer: { url: "https://orders.example.com/", auth: { bearer: "${ERP_TOKEN}" } }
  basic: { url: "https://orders.example.com/", auth: { basic: { user: shop, password: "" } } }
  client:
    url: https://orders.example.com/
    auth: { oauth2: { token_url: "https://id.example.com/token", client_id: shop, client_secret: "${ERP_TOKEN}", scope: "a b" } }
  trusting: { url: "https://orders.example.com/", tls: { ca: cert.pem } }
  mutual: { url: "https://orders.example.com/", tls: { cert: "${CERT:-cert}.pem", key: "${file:from-file.key}" } }
  once: { url: "https://orders.example.com/", sign: { scheme: standard-webhooks, secret: whsec_b2xk } }
"#,
    );
    let of = |name: &str| &config.destinations.iter().find(|found| &*found.name == name).expect(name).settings;
    let reach = ["plain", "machine", "name"].map(|name| of(name).link_local);
    assert_eq!(reach, [LinkLocal::Refused, LinkLocal::Allowed, LinkLocal::Refused]);
    let basic = Auth::Basic { user: Secret::new("shop"), password: Secret::new("") };
    let client = ClientCredentials {
        token_url: http::Uri::from_static("https://id.example.com/token"),
        client_id: Secret::new("shop"),
        client_secret: Secret::new("hidden-token"),
        scope: Some("a b".into()),
    };
    let auth = ["plain", "bearer", "basic", "client"].map(|name| of(name).auth.clone());
    assert_eq!(auth, [None, Some(Auth::Bearer(Secret::new("hidden-token"))), Some(basic), Some(Auth::OAuth2(Box::new(client)))]);
    let files = |name: &str| of(name).tls.as_ref().map(|tls| format!("{tls:?}")).unwrap_or_default();
    assert_eq!(files("plain"), "");
    assert!(files("trusting").contains("/cert.pem\"") && files("trusting").contains("client: None"), "{}", files("trusting"));
    assert!(files("mutual").contains("ca: None") && files("mutual").contains("/from-file.key\""), "{}", files("mutual"));
    let secrets = |name: &str| of(name).sign.iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (secrets("plain").len(), secrets("signed"), secrets("once")),
        (0, vec!["whsec_bmV3".to_owned(), "whsec_b2xk".to_owned()], vec!["whsec_b2xk".to_owned()])
    );
}

#[test]
fn breaker_and_rate_are_the_destinations_own_or_of_defaults() {
    let config = good(
        r#"version: 1
sources: { ottu: { secret: "${OTTU_HMAC_KEY}" } }
defaults: { breaker: { probe_every: 1m }, rate_limit: 30/m }
destinations:
  plain: http://localhost
  own: { url: "http://localhost", breaker: { open_after: 3 }, rate_limit: "${RATE:-50/s}" }
  off: { url: "http://localhost", breaker: off }
"#,
    );
    let minute = Duration::from_secs(60);
    let of = |place: usize| (config.destinations[place].policy.breaker, config.destinations[place].policy.rate_limit);
    assert_eq!(of(0), (Some(Breaker { open_after: 10, probe_every: minute }), Rate::parse("30/m").ok()));
    assert_eq!(of(1), (Some(Breaker { open_after: 3, probe_every: minute }), Rate::parse("50/s").ok()));
    assert_eq!(of(2), (None, Rate::parse("30/m").ok()));
    let config = good("version: 1\nsources: { ottu: { secret: '${OTTU_HMAC_KEY}' } }\ndestinations: { plain: http://localhost }\n");
    assert_eq!((config.destinations[0].policy.breaker, config.destinations[0].policy.rate_limit), (Some(Breaker::STANDARD), None));
}

#[test]
fn an_order_is_the_destinations_own_or_of_defaults() {
    let config = good(
        r#"version: 1
sources: { ottu: { secret: "${OTTU_HMAC_KEY}" } }
defaults: { order_by: session_id, order_wait: 1m }
destinations:
  plain: http://localhost
  own: { url: "http://localhost", order_by: "${FIELD:-extra.\"flight.number\"}", order_wait: 0s }
"#,
    );
    let by = |name: &str| config.rules.orders.get(&Name::unchecked(name)).cloned();
    let wait = |place: usize| config.destinations[place].policy.order_wait;
    assert_eq!((by("plain"), wait(0)), (Field::parse("session_id").ok(), Duration::from_secs(60)));
    assert_eq!((by("own"), wait(1)), (Field::parse("extra.\"flight.number\"").ok(), Duration::ZERO));
    let config = good(
        "version: 1\nsources: { ottu: { secret: '${OTTU_HMAC_KEY}' } }\n\
         destinations: { plain: http://localhost, own: { url: http://localhost, order_by: order_no } }\n",
    );
    assert_eq!(config.rules.orders.keys().collect::<Vec<_>>(), [&Name::unchecked("own")]);
    assert_eq!(config.destinations[1].policy.order_wait, Duration::from_secs(600));
}

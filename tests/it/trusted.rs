//! Whose word on the caller's address is taken: that of trusted proxies, and of nobody else.

use crate::support::{
    gateway::Gateway,
    proxy::{Kind, Proxy},
    sender::{exchange, request, sample},
    until::until,
};

const RULES: &str = "
sources:
  ottu: { secret: test-hmac-key }
  fenced: { secret: test-hmac-key, allow_ips: [203.0.113.0/24] }
  here: { secret: test-hmac-key, allow_ips: [127.0.0.1] }
destinations: { orders: { url: 'http://127.0.0.1:9', paused: true } }
rules: [ { name: all, to: orders } ]
";

async fn trusting() -> Gateway {
    let server = "server: { listen: '127.0.0.1:0', admin: '127.0.0.1:0', trusted_proxies: [127.0.0.0/8, 10.0.0.0/8] }";
    Gateway::start(&format!("{server}{RULES}")).await
}

async fn code(gateway: &Gateway, source: &str, forwarded: &[&str]) -> u16 {
    let headers: Vec<_> = forwarded.iter().map(|list| ("x-forwarded-for", *list)).collect();
    exchange(gateway.public, &request("POST", &format!("/webhooks/{source}"), &headers, &sample("payment.paid"))).await.code
}

#[tokio::test]
async fn a_trusted_proxy_says_who_calls_and_what_the_caller_wrote_before_it_does_not_count() {
    let gateway = trusting().await;
    for (forwarded, fenced) in [
        (&["203.0.113.7"][..], 200),
        (&["198.51.100.1, 203.0.113.7"], 200),
        (&["198.51.100.1", "203.0.113.7, 10.1.2.3"], 200),
        (&["203.0.113.7, 198.51.100.1"], 403),
        (&["203.0.113.7", "198.51.100.1"], 403),
        (&[], 403),
        // What cannot be read is no reason to lose an event, but lets nobody in either.
        (&["203.0.113.7, unknown"], 403),
        (&["203.0.113.7,"], 403),
    ] {
        assert_eq!(code(&gateway, "fenced", forwarded).await, fenced, "{forwarded:?}");
        assert_eq!(code(&gateway, "ottu", forwarded).await, 200, "{forwarded:?}");
    }
    assert_eq!(code(&gateway, "here", &["unknown"]).await, 200, "the last address that can be read is the proxy's");
    exchange(gateway.public, &request("POST", "/webhooks/ottu", &[("x-forwarded-for", "203.0.113.99")], b"{}")).await;
    until("the caller in the log", || async {
        gateway.log().iter().any(|line| line.contains("signature refused") && line.contains("203.0.113.99")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_anybody_else_the_header_is_ignored() {
    let gateway = Gateway::start(RULES).await;
    assert_eq!(code(&gateway, "fenced", &["203.0.113.7"]).await, 403);
    assert_eq!(code(&gateway, "here", &["203.0.113.7"]).await, 200);
}

#[tokio::test]
async fn behind_nginx_and_haproxy_the_caller_cannot_choose_an_address() {
    for kind in Kind::ALL {
        let gateway = trusting().await;
        let Some(proxy) = Proxy::start(kind, gateway.public).await else { continue };
        for (source, code) in [("fenced", 403), ("here", 200)] {
            let lie = [("x-forwarded-for", "203.0.113.7")];
            let text = request("POST", &format!("/webhooks/{source}"), &lie, &sample("payment.paid"));
            assert_eq!(exchange(proxy.address, &text).await.code, code, "{kind:?} {source}");
        }
    }
}

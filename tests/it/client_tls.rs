//! TLS to destinations: authorities of one's own, client certificates, files that change, and what a failed handshake is called.

use crate::support::{
    gateway::{Gateway, Home},
    sender::{payment, signed},
    sink::{Reply, Sink},
    until::{until, until_eq},
};
use hookgate::domain::pem::{Pem, authorities};
use std::{path::PathBuf, sync::Arc};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, server::WebPkiClientVerifier, sign::SingleCertAndKey};

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("it is in the repository")
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data/tls", name].iter().collect()
}

fn der(name: &str) -> Vec<u8> {
    let pem = Pem { cert: pem(&format!("{name}.pem")), key: pem(&format!("{name}.key")) };
    pem.identity().expect("a pair").cert[0].to_vec()
}

/// Whether a server asks who calls.
#[derive(Clone, Copy, PartialEq)]
enum Callers {
    Anyone,
    WithCertificate,
}

/// Shows `localhost.pem`; closes after every answer, so that every delivery has a connection of its own.
fn server(callers: Callers, versions: &[&'static tokio_rustls::rustls::SupportedProtocolVersion]) -> Sink {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).expect("versions");
    let builder = match callers {
        Callers::Anyone => builder.with_no_client_auth(),
        Callers::WithCertificate => {
            let roots = authorities(&pem("client-ca.pem")).expect("an authority");
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots, provider).build().expect("a verifier"))
        }
    };
    let identity = Pem { cert: pem("localhost.pem"), key: pem("localhost.key") }.identity().expect("a pair");
    let config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    Sink::over_tls(config, |_, _| Reply::status(200).then_close())
}

const BOTH: &[&tokio_rustls::rustls::SupportedProtocolVersion] = tokio_rustls::rustls::ALL_VERSIONS;

fn rules(destinations: &[(&str, &Sink, &str)]) -> String {
    let names: Vec<_> = destinations.iter().map(|(name, ..)| *name).collect();
    let lines: String = destinations
        .iter()
        .map(|(name, sink, tls)| {
            format!(
                "  {name}: {{ url: '{}', retry: {{ initial_interval: 50ms, multiplier: 1, jitter: none }}{tls} }}\n",
                sink.url("/hooks")
            )
        })
        .collect();
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations:\n{lines}rules: [ {{ name: all, to: [{}] }} ]\n",
        names.join(", ")
    )
}

async fn gateway(destinations: &[(&str, &Sink, &str)]) -> Gateway {
    let home = Home::new(&rules(destinations));
    for name in ["localhost-ca.pem", "client.pem", "client.key"] {
        home.write_file(name, &pem(name));
    }
    Gateway::start_in(home).await
}

async fn send(gateway: &Gateway, reference: &str) -> String {
    gateway.send(&signed(&payment(reference, "paid"))).await.event()
}

/// What was said of the first failed attempt at a destination.
async fn failure(gateway: &Gateway, event: &str, destination: &str) -> (String, String) {
    until("a failed attempt", || async {
        let event = gateway.event(event).await;
        let attempts = event["attempts"].as_array().expect("a list").clone();
        let failed = attempts.into_iter().find(|attempt| attempt["destination"] == destination && attempt["error"].is_string())?;
        Some((failed["result"].as_str()?.to_owned(), failed["error"].as_str()?.to_owned()))
    })
    .await
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_by_the_destination_that_names_it_and_by_no_other() {
    let sink = server(Callers::Anyone, BOTH);
    let gateway =
        gateway(&[("trusting", &sink, ", tls: { ca: localhost-ca.pem }"), ("doubting", &sink, ", tls: { ca: client.pem }")]).await;
    let event = send(&gateway, "R1").await;
    sink.wait_for("the delivery", |requests| requests.len() == 1).await;
    let (result, error) = failure(&gateway, &event, "doubting").await;
    assert_eq!(result, "tls");
    assert!(error.contains("issuer is not known here"), "{error}");
    until("the metric", || async {
        let failed = gateway.metric("hookgate_delivery_attempts_total{destination=\"doubting\",result=\"tls\"}").await;
        (failed > 0.0).then_some(())
    })
    .await;
    assert_eq!(sink.requests().len(), 1);
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_and_its_lack_is_named() {
    for version in BOTH {
        let sink = server(Callers::WithCertificate, &[version]);
        let known = ", tls: { ca: localhost-ca.pem, cert: client.pem, key: '${file:client.key}' }";
        let gateway = gateway(&[("known", &sink, known), ("unknown", &sink, ", tls: { ca: localhost-ca.pem }")]).await;
        let event = send(&gateway, "R1").await;
        let requests = sink.wait_for("the delivery", |requests| requests.len() == 1).await;
        assert_eq!(requests[0].certificate, Some(der("client")));
        let (result, error) = failure(&gateway, &event, "unknown").await;
        assert_eq!(result, "tls");
        assert!(error.contains("wants a client certificate"), "{:?}: {error}", version.version);
    }
}

#[tokio::test]
async fn a_renewed_client_certificate_is_shown_from_the_next_connection_on_and_a_broken_pair_leaves_the_old_one() {
    let sink = server(Callers::WithCertificate, BOTH);
    let gateway = gateway(&[("orders", &sink, ", tls: { ca: localhost-ca.pem, cert: client.pem, key: client.key }")]).await;
    let says = |what: &'static str| gateway.log().iter().filter(|line| line.contains(what)).count();
    let next = async |number: usize| {
        send(&gateway, &format!("R{number}")).await;
        let requests = sink.wait_for("the next delivery", |requests| requests.len() == number).await;
        requests[number - 1].certificate.clone().expect("a certificate")
    };
    assert!(next(1).await == der("client"));

    gateway.home.write_file("client.pem", &pem("renewed-client.pem"));
    let mut number = 1;
    while says("the changed TLS files of a destination cannot be used; those before stay") == 0 {
        number += 1;
        assert!(next(number).await == der("client"));
    }
    assert!(gateway.log().iter().any(|line| line.contains("is not that of the certificate")), "{:#?}", gateway.log());

    gateway.home.write_file("client.key", &pem("renewed-client.key"));
    loop {
        number += 1;
        if next(number).await == der("renewed-client") {
            break;
        }
    }
    until_eq("the renewal to be told", 1, || async { says("have changed and are used from now on") }).await;
    assert_eq!(says("cannot be used"), 1, "it is said once");
}

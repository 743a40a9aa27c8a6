//! TLS on the public listener: handshakes, what is refused, and a certificate that is renewed while it is served.

use crate::support::{
    gateway::{Gateway, Home, hookgate},
    sender::{Connection, KEY, exchange, request, sample},
    until::{until, until_eq},
};
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

const RULES: &str = "server: { listen: '127.0.0.1:0', admin: '127.0.0.1:0', tls: { cert: tls.pem, key: tls.key } }
sources: { ottu: { secret: test-hmac-key } }
destinations: { orders: { url: 'http://127.0.0.1:9', paused: true } }
rules: [ { name: all, to: orders } ]
";

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("it is in the repository")
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data/tls", name].iter().collect()
}

async fn gateway() -> Gateway {
    let home = Home::new(RULES);
    home.write_file("tls.pem", &pem("localhost.pem"));
    home.write_file("tls.key", &pem("localhost.key"));
    Gateway::start_in(home).await
}

/// A handshake by the authority, with these protocols on offer.
async fn handshake(to: SocketAddr, authority: &str, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem(authority)).expect("a certificate")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(to).await?).await
}

fn webhook() -> Vec<u8> {
    request("POST", "/webhooks/ottu", &[], &sample("payment.paid"))
}

async fn stored(gateway: &Gateway) -> usize {
    gateway.get("/api/v1/events").await.json()["events"].as_array().expect("a list").len()
}

#[tokio::test]
async fn webhooks_come_in_over_tls_many_on_one_connection_and_the_admin_listener_stays_plain() {
    let gateway = gateway().await;
    for protocols in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
        let stream = handshake(gateway.public, "localhost-ca.pem", protocols).await.expect("a handshake");
        let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(agreed.as_deref(), (!protocols.is_empty()).then_some(&b"http/1.1"[..]), "{protocols:?}");
        let mut connection = Connection::on(stream);
        for (text, code) in [(webhook(), 200), (request("POST", "/webhooks/ottu", &[], b"[]"), 400), (webhook(), 200)] {
            connection.send(&text).await;
            assert_eq!(connection.answer().await.expect("an answer").code, code);
        }
    }
    assert_eq!(stored(&gateway).await, 1);
    assert_eq!(gateway.get("/readyz").await.code, 200, "over plain HTTP");
}

#[tokio::test]
async fn a_client_that_speaks_only_http_2_is_told_so_by_the_handshake() {
    let gateway = gateway().await;
    let error = handshake(gateway.public, "localhost-ca.pem", &["h2"]).await.expect_err("nothing in common");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn plain_http_to_the_tls_listener_is_closed_and_nothing_is_stored() {
    let gateway = gateway().await;
    let mut connection = Connection::open(gateway.public).await;
    connection.send(&webhook()).await;
    let mut said = Vec::new();
    connection.stream.read_to_end(&mut said).await.ok();
    assert!(!said.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(stored(&gateway).await, 0);
}

#[tokio::test]
async fn an_answer_before_the_body_is_whole_can_be_read_over_tls_too() {
    let gateway = gateway().await;
    let mut connection = Connection::on(handshake(gateway.public, "localhost-ca.pem", &[]).await.expect("a handshake"));
    let length = (2 << 20).to_string();
    connection.send(format!("POST /webhooks/ottu HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await;
    for _ in 0..32 {
        connection.send(&vec![b'x'; 64 << 10]).await;
    }
    let answer = connection.answer().await.expect("no reset");
    assert_eq!((answer.code, answer.header("connection")), (413, Some("close")));
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart_and_a_broken_pair_leaves_the_old_one() {
    let gateway = gateway().await;
    let says = |what: &'static str| gateway.log().iter().filter(|line| line.contains(what)).count();
    let serves = |authority: &'static str| {
        let to = gateway.public;
        async move { handshake(to, authority, &[]).await.is_ok() }
    };
    let mut open = Connection::on(handshake(gateway.public, "localhost-ca.pem", &[]).await.expect("a handshake"));

    gateway.home.write_file("tls.pem", &pem("renewed.pem"));
    until_eq("the broken pair to be told", 1, || async { says("the changed certificate cannot be served; the one before stays") }).await;
    assert!(gateway.log().iter().any(|line| line.contains("is not that of the certificate")), "{:#?}", gateway.log());
    assert!(serves("localhost-ca.pem").await && !serves("renewed-ca.pem").await);

    gateway.home.write_file("tls.key", &pem("renewed.key"));
    until("the renewed certificate to be served", || async { serves("renewed-ca.pem").await.then_some(()) }).await;
    assert!(!serves("localhost-ca.pem").await);
    open.send(&webhook()).await;
    assert_eq!(open.answer().await.expect("an answer").code, 200, "open connections go on");
    until_eq("the renewal to be told", 1, || async { says("the certificate has changed and is served from now on") }).await;
    assert_eq!(says("cannot be served"), 1, "it is said once");
}

#[tokio::test]
async fn send_reaches_a_gateway_with_a_certificate_of_ones_own_authority() {
    let gateway = gateway().await;
    let mut send = hookgate();
    send.args(["send", "--secret-env", "SOME_KEY", "--to", &format!("https://{}/webhooks/ottu", gateway.public)]);
    let mut trusting = hookgate();
    trusting.args(send.get_args()).env("SOME_KEY", KEY).env("SSL_CERT_FILE", path("localhost-ca.pem"));
    let [doubting, trusting] = [send.env("SOME_KEY", KEY), &mut trusting].map(|command| {
        let output = command.output().expect("the binary starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    });
    assert_eq!((doubting.0, doubting.1.as_str()), (Some(4), ""), "{doubting:?}");
    assert_eq!(trusting.0, Some(0), "{trusting:?}");
    assert!(trusting.1.starts_with("200 accepted evt_"), "{trusting:?}");
}

#[tokio::test]
async fn with_dev_no_certificate_is_served_nor_has_to_be_there() {
    let home = Home::new(RULES);
    let mut command = hookgate();
    command.args(["serve", "--dev", "--config"]).arg(home.rules_file());
    let gateway = Gateway::run(command, home).await;
    assert_eq!(exchange(gateway.public, &webhook()).await.code, 200);
    let log = gateway.log();
    assert!(log.iter().any(|line| line.contains("\"tls.pem\" cannot be read")), "{log:#?}");
}

//! Handshakes with good and bad certificates. The authority and the certificates in `tests/data/tls` serve this test alone.

use super::{
    super::certificates::{Content, Files},
    *,
};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const AUTHORITY: &str = include_str!("../../tests/data/tls/ca.pem");
const KEY: &str = include_str!("../../tests/data/tls/server.key");
const OTHER_AUTHORITY: &str = include_str!("../../tests/data/tls/client-ca.pem");
const NOT_YET: &str = include_str!("../../tests/data/tls/future.pem");
const GOOD: &str = include_str!("../../tests/data/tls/good.pem");
const EXPIRED: &str = include_str!("../../tests/data/tls/expired.pem");
const OTHER_HOST: &str = include_str!("../../tests/data/tls/otherhost.pem");

/// Trusting that authority alone.
fn trusting(host: &str, authority: &str) -> Tls {
    Tls::new(host, Some(own(authority)))
}

fn own(authority: &str) -> Certificates {
    let files = Files { ca: Some("ca.pem".into()), client: None };
    let content = Content { ca: Some(authority.as_bytes().to_vec()), client: None };
    // The file cannot be read again, so what is in force stays.
    Certificates::new(files, |_| Err(io::ErrorKind::NotFound.into()), &content).unwrap()
}

/// What comes of a handshake with a server that shows this certificate.
async fn handshake(certificate: &str, tls: Tls) -> Result<TlsStream<TcpStream>, SendError> {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tasks::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(drop)
    });
    let outcome = tls.handshake(TcpStream::connect(address).await.unwrap(), &Clock::system()).await;
    let accepted = server.await.unwrap();
    assert_eq!(accepted.is_ok(), outcome.is_ok(), "both sides agree");
    outcome
}

#[tokio::test]
async fn a_good_certificate_gives_a_stream_that_speaks_http_1() {
    let stream = handshake(GOOD, trusting("localhost", AUTHORITY)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(handshake(GOOD, trusting("127.0.0.1", AUTHORITY)).await.is_ok());
}

#[tokio::test]
async fn a_bad_certificate_is_refused_with_its_cause() {
    for (certificate, tls, cause) in [
        (EXPIRED, trusting("localhost", AUTHORITY), "the certificate has expired"),
        (OTHER_HOST, trusting("localhost", AUTHORITY), "the certificate is for another host"),
        (
            GOOD,
            trusting("localhost", OTHER_AUTHORITY),
            "the certificate's issuer is not known here; where it is your own, name it in `tls: { ca: … }`",
        ),
        (NOT_YET, trusting("localhost", OTHER_AUTHORITY), "the certificate is not valid yet"),
    ] {
        let refused = handshake(certificate, tls).await.unwrap_err();
        assert_eq!(refused, SendError::Tls(cause.into()));
    }
}

#[tokio::test]
async fn a_destination_that_hangs_up_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let server = tasks::spawn(async move {
        use tokio::io::AsyncReadExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        // All of the hello is read, so that the close is no reset.
        let mut hello = [0; 4096];
        stream.read(&mut hello).await.unwrap()
    });
    let refused = trusting("localhost", AUTHORITY).handshake(stream, &Clock::system()).await.unwrap_err();
    assert_eq!(refused, SendError::Tls("closed during the handshake".into()));
    assert!(server.await.unwrap() > 0);
}

#[tokio::test]
async fn a_whole_exchange_goes_over_tls_and_the_connection_is_used_again() {
    use super::super::{Settings, connection::Connection, dial::Dialer};
    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let chain = vec![CertificateDer::from_pem_slice(GOOD.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    let server = tasks::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        for _ in 0..2 {
            let mut request = Vec::new();
            while !request.ends_with(b"ping") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong").await.unwrap();
        }
    });
    let settings = Settings { tls: Some(own(AUTHORITY)), ..Settings::to(url) };
    let dialer = Dialer::new(&settings.url, &settings, Clock::system()).unwrap();
    let mut connection = Some(Connection::new(dialer.dial().await.unwrap()).await.unwrap());
    for _ in 0..2 {
        let mut request = http::Request::post("/").body(Full::new(Bytes::from_static(b"ping"))).unwrap();
        request.headers_mut().insert("host", http::HeaderValue::from_static("localhost"));
        let answer = connection.take().unwrap().exchange(request, 64).await.map_err(|broken| broken.error).unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"pong"[..]));
        connection = answer.connection;
    }
    server.await.unwrap();
}

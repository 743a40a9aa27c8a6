//! One HTTP/1.1 exchange on a connection of its own, plain or TLS, within a limit of time. No redirects, no proxies.

use super::exit::UsageError;
use crate::domain::{clock::Clock, quantity::show_duration};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header::HOST, uri::Scheme};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_native_certs::load_native_certs;
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: usize = 16 << 20;

/// What was answered, and how long that took from dialling on.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
    /// From dialling to the last byte.
    pub took: Duration,
}

/// There was no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot reach {0}")]
    Connect(Box<str>, #[source] io::Error),
    #[error("no TLS with {0}")]
    Tls(Box<str>, #[source] io::Error),
    #[error("no answer from {authority} within {}", show_duration(*.limit))]
    Silent { authority: Box<str>, limit: Duration },
    #[error("the exchange with {0} broke")]
    Broken(Box<str>, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An absolute URL, `http` or `https`, with nothing secret in it.
///
/// # Errors
/// The text is none; `wanted` is shown as an example of one.
pub fn url(text: &str, wanted: &'static str) -> Result<Uri, UsageError> {
    let known = |uri: &Uri| uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    let uri: Uri = text.parse().ok().filter(known).ok_or_else(|| UsageError::Url { found: text.into(), wanted })?;
    if authority(&uri).contains('@') { Err(UsageError::UrlWithSecret) } else { Ok(uri) }
}

/// Sends the request to where the URL points, and reads the answer.
///
/// # Errors
/// There was no whole answer within `limit`.
pub async fn exchange(url: &Uri, mut request: Request<Full<Bytes>>, limit: Duration) -> Result<Answer, ClientError> {
    let (clock, authority) = (Clock::system(), authority(url));
    let start = clock.instant();
    *request.uri_mut() = url.path_and_query().map_or("/", |path| path.as_str()).parse().expect("a part of a URL is one");
    request.headers_mut().insert(HOST, authority.parse().expect("an authority has only characters that a header may have"));
    let whole = async {
        let stream = dial(url).await?;
        if url.scheme() == Some(&Scheme::HTTPS) { talk(tls(url, stream).await?, request).await } else { talk(stream, request).await }
            .map_err(|cause| ClientError::Broken(authority.into(), cause))
    };
    let (status, body) = timeout(limit, whole).await.map_err(|_| ClientError::Silent { authority: authority.into(), limit })??;
    Ok(Answer { status, body, took: clock.instant().duration_since(start) })
}

async fn dial(url: &Uri) -> Result<TcpStream, ClientError> {
    let port = url.port_u16().unwrap_or(if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let connected = timeout(CONNECT_LIMIT, TcpStream::connect((host(url), port))).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|cause| ClientError::Connect(authority(url).into(), cause))
}

async fn tls(url: &Uri, stream: TcpStream) -> Result<TlsStream<TcpStream>, ClientError> {
    let shaken = async {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host(url).to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    shaken.await.map_err(|cause| ClientError::Tls(authority(url).into(), cause))
}

async fn talk<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status, Limited::new(body, ANSWER_LIMIT).collect().await?.to_bytes()))
    };
    // When the connection ends first, dropping it tells `answer` why; what it has read by then still counts.
    let driver = async {
        drop(connection.await);
        std::future::pending::<Infallible>().await
    };
    tokio::select! { answer = answer => answer, never = driver => match never {} }
}

fn authority(url: &Uri) -> &str {
    url.authority().map_or("", |authority| authority.as_str())
}

fn host(url: &Uri) -> &str {
    url.host().unwrap_or("").trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn a_url_names_host_and_authority_and_holds_no_secret() {
        let uri = url("http://[::1]:8080/in?x=1", "x").expect("a URL");
        assert_eq!((host(&uri), authority(&uri)), ("::1", "[::1]:8080"));
        assert!(matches!(url("https://user:word@host/", "x"), Err(UsageError::UrlWithSecret)));
        for bad in ["", "host:80", "/in", "ftp://host/", "http://", "http://a b/"] {
            assert!(matches!(url(bad, "x"), Err(UsageError::Url { .. })), "{bad}");
        }
    }

    #[tokio::test]
    async fn who_accepts_and_never_answers_is_given_up_at_the_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let uri = url(&format!("http://{}/", listener.local_addr().expect("an address")), "x").expect("a URL");
        let limit = Duration::from_millis(20);
        let error = exchange(&uri, Request::new(Full::default()), limit).await.expect_err("nobody answers");
        assert!(matches!(error, ClientError::Silent { .. }), "{error}");
        assert!(error.to_string().ends_with("within 20ms"), "{error}");
    }
}

//! What is let through of a request as it comes off a socket: only what a reader who follows RFC 9112 by the letter reads alike.
//! The input is the bytes of a connection, of which the first request counts.

#![no_main]

use bytes::Bytes;
use hookgate::domain::head;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use std::{
    cell::RefCell,
    convert::Infallible,
    sync::{LazyLock, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, Runtime},
};

/// As on the public listener.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

/// A request that was let through.
struct Taken {
    target: String,
    version: Version,
    body: Bytes,
}

static RUNTIME: LazyLock<Mutex<Runtime>> = LazyLock::new(|| Mutex::new(Builder::new_current_thread().build().expect("a runtime")));

fuzz_target!(|input: &[u8]| {
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(taken) = runtime.block_on(serve(input)) else { return };
    let read = Read::of(input).expect("what is let through is a request");
    let path = |target: &str| target.split('#').next().unwrap_or_default().to_owned();
    assert_eq!(path(&read.target), taken.target);
    assert!(read.target.starts_with('/') || read.target == "*", "{}", read.target);
    let hosts = read.values("host").count();
    assert!(hosts == 1 || (hosts == 0 && taken.version == Version::HTTP_10), "{hosts} hosts");
    assert_eq!(read.body().as_deref(), Some(&*taken.body), "both read the same body");
});

/// The first request, where it is let through and whole.
async fn serve(input: &[u8]) -> Option<Taken> {
    let taken = RefCell::new(None);
    let service = service_fn(async |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let mut response = Response::new(Full::<Bytes>::default());
        response.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
        if head::flaw(&head).is_none()
            && let Ok(body) = body.collect().await
        {
            let target = head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string);
            *taken.borrow_mut() = Some(Taken { target, version: head.version, body: body.to_bytes() });
        }
        Ok::<_, Infallible>(response)
    });
    let (mut near, far) = tokio::io::duplex(input.len() + (64 << 10));
    near.write_all(input).await.expect("there is room for it");
    near.shutdown().await.expect("it is open");
    let mut http = http1::Builder::new();
    // Nothing comes after the input, and what it holds is read all the same.
    http.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS).header_read_timeout(None).half_close(true);
    http.serve_connection(TokioIo::new(far), service).await.ok();
    near.read_to_end(&mut Vec::new()).await.ok();
    taken.into_inner()
}

/// A request, read without any lenience but that lines may end with a line feed alone.
struct Read<'a> {
    target: String,
    fields: Vec<(String, String)>,
    rest: &'a [u8],
}

impl<'a> Read<'a> {
    fn of(mut rest: &'a [u8]) -> Option<Self> {
        let mut first = line(&mut rest)?;
        while first.is_empty() {
            first = line(&mut rest)?;
        }
        let first = String::from_utf8_lossy(first).into_owned();
        let mut parts = first.split(' ').filter(|part| !part.is_empty());
        let (Some(_method), Some(target), Some(_version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let mut fields = Vec::new();
        loop {
            let field = line(&mut rest)?;
            if field.is_empty() {
                return Some(Self { target: target.to_owned(), fields, rest });
            }
            let field = String::from_utf8_lossy(field);
            let (name, value) = field.split_once(':')?;
            // No name ends with a space, and no field goes on in a second line.
            (name.trim() == name).then_some(())?;
            fields.push((name.to_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn body(&self) -> Option<Vec<u8>> {
        let codings: Vec<_> = self.values("transfer-encoding").collect();
        if let [coding] = codings[..] {
            return coding.eq_ignore_ascii_case("chunked").then(|| unchunked(self.rest))?;
        }
        // Said twice it has to be the same number (RFC 9110, 8.6), however many zeros it begins with.
        let mut lengths = self.values("content-length").map(decimal).collect::<Option<Vec<_>>>()?;
        lengths.dedup();
        match (codings.is_empty(), &lengths[..]) {
            (true, []) => Some(Vec::new()),
            (true, [length]) => Some(self.rest.get(..*length)?.to_vec()),
            _ => None,
        }
    }
}

/// The next line without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let found = &rest[..end];
    *rest = &rest[end + 1..];
    Some(found.strip_suffix(b"\r").unwrap_or(found))
}

fn decimal(digits: &str) -> Option<usize> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = String::from_utf8_lossy(line(&mut rest)?).into_owned();
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?;
        line(&mut rest)?.is_empty().then_some(())?;
    }
}

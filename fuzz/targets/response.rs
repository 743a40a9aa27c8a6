//! What an attempt makes of a destination's answer, over a real socket. The input is a letter, which says how the answer is
//! sent, and the answer's bytes.

#![no_main]

use bytes::Bytes;
use hookgate::{
    destination::{self, Payload, Receipt, SendError, Settings},
    domain::{
        clock::{Clock, Timestamp},
        delivery::{Accepted, Delivery, Seq},
        event::Flags,
        id::EventId,
        name::Name,
        status_set::StatusSet,
    },
};
use http::Method;
use libfuzzer_sys::fuzz_target;
use std::{
    cell::Cell,
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

const BODY: &[u8] = b"{\"state\":\"paid\"}";

/// What the destination answers from the second request on.
const GOOD: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// The most of an answer's body that is kept, each byte of which may stand for a replacement character.
const MOST_KEPT: usize = 3 * 2048;

/// How the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// At once, and closed after it.
    Closing,
    /// At once, and then nothing more.
    Silent,
    /// Byte by byte for the first of them, and closed.
    Dripping,
    /// Again and again, more than is ever read, and closed.
    Endless,
}

static RUNTIME: LazyLock<Mutex<Runtime>> =
    LazyLock::new(|| Mutex::new(Builder::new_current_thread().enable_all().build().expect("a runtime")));

fuzz_target!(|input: &[u8]| {
    let Some((letter, answer)) = input.split_first() else { return };
    let manner = match letter {
        b's' => Manner::Silent,
        b'd' => Manner::Dripping,
        b'e' => Manner::Endless,
        _ => Manner::Closing,
    };
    RUNTIME.lock().unwrap_or_else(PoisonError::into_inner).block_on(async {
        // Each time another one, since an attempt that was given up may still wait at the last.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        tokio::select! {
            () = attempts(&listener, manner, answer) => {}
            never = serve(&listener, manner, answer) => match never {},
        }
    });
});

async fn attempts(listener: &TcpListener, manner: Manner, answer: &[u8]) {
    let address = listener.local_addr().expect("it is bound");
    // One that falls silent is waited for to the end; the others are done when they close.
    let timeout = if manner == Manner::Silent { Duration::from_millis(10) } else { Duration::from_secs(5) };
    let settings = Settings {
        url: format!("http://{address}/hook").parse().expect("a url"),
        method: Method::POST,
        timeout,
        headers: Vec::new(),
        target: None,
        payload: Payload::AsReceived,
        success: StatusSet::success(),
        sign: Vec::new(),
        auth: None,
        tls: None,
        link_local: destination::LinkLocal::Refused,
    };
    let destination = destination::build(&Name::unchecked("orders"), settings);
    let clock = Clock::system();
    let start = clock.instant();
    let first = destination.send(&delivery(), None).await;
    assert!(clock.instant().duration_since(start) < timeout + Duration::from_secs(1), "an attempt ends");
    match &first {
        Ok(Receipt { status }) => {
            assert!((200..300).contains(status));
            assert!(says(answer, *status), "an answer that nobody gave: {status}");
        }
        Err(SendError::Status { status, response, retry_after }) => {
            assert!(!(200..300).contains(status) && says(answer, *status), "an answer that nobody gave: {status}");
            assert!(response.len() <= MOST_KEPT && retry_after.as_ref().is_none_or(|text| text.len() <= 64 << 10));
        }
        Err(SendError::Timeout(_)) => assert_eq!(manner, Manner::Silent, "the answer was over"),
        Err(SendError::Protocol(cause)) => assert!(!cause.is_empty()),
        Err(
            other @ (SendError::Dns { .. }
            | SendError::Connect(_)
            | SendError::Tls(_)
            | SendError::Refused { .. }
            | SendError::Auth(_)
            | SendError::Unsendable(_)),
        ) => panic!("the request was taken: {other}"),
    }
    destination.tidy();
    let second = destination.send(&delivery(), None).await;
    match manner {
        // All of the first answer was there: what was too much of it is no answer to the second request.
        Manner::Closing => assert_eq!(second, Ok(Receipt { status: 204 }), "after {first:?}"),
        // What still comes when the second request is on its way may break it, as long as that is said.
        Manner::Silent | Manner::Dripping | Manner::Endless => {
            let is_told = matches!(second, Ok(_) | Err(SendError::Status { .. } | SendError::Protocol(_) | SendError::Timeout(_)));
            assert!(is_told, "{second:?} after {first:?}");
        }
    }
}

/// Whether the status is in the bytes at all.
fn says(answer: &[u8], status: u16) -> bool {
    let status = format!(" {status}");
    answer.windows(status.len()).any(|window| window == status.as_bytes())
}

enum Never {}

/// Takes one connection after the other; the first request gets the answer.
async fn serve(listener: &TcpListener, manner: Manner, answer: &[u8]) -> Never {
    let requests = Cell::new(0);
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // It ends when the other side has gone, in whatever way.
            converse(stream, manner, answer, &requests).await.ok();
        }
    }
}

async fn converse(mut stream: TcpStream, manner: Manner, answer: &[u8], requests: &Cell<u32>) -> io::Result<()> {
    let mut got = Vec::new();
    loop {
        if stream.read_buf(&mut got).await? == 0 {
            return Ok(());
        }
        if !got.ends_with(BODY) {
            continue;
        }
        got.clear();
        requests.set(requests.get() + 1);
        if requests.get() > 1 {
            stream.write_all(GOOD).await?;
            continue;
        }
        match manner {
            Manner::Silent => stream.write_all(answer).await?,
            Manner::Closing => return stream.write_all(answer).await,
            Manner::Dripping => {
                let (slow, rest) = answer.split_at(answer.len().min(64));
                for byte in slow {
                    stream.write_all(&[*byte]).await?;
                    tokio::task::yield_now().await;
                }
                return stream.write_all(rest).await;
            }
            Manner::Endless => return stream.write_all(&answer.repeat((256 << 10) / answer.len().max(1))).await,
        }
    }
}

fn delivery() -> Delivery {
    Delivery {
        event: Arc::new(Accepted {
            seq: Seq(1),
            id: EventId::unsigned(BODY),
            source: Name::unchecked("ottu"),
            received_at: Timestamp::from_millis(1_795_386_473_123),
            content_type: None,
            verified: true,
            flags: Flags::default(),
            first: None,
        }),
        rules: Vec::new(),
        attempt: 1,
        at: Timestamp::from_millis(1_795_386_480_999),
        body: Bytes::from_static(BODY),
    }
}

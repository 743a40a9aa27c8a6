//! The provider: signs events and posts them, over raw sockets.

use hookgate::{domain::secret::Secret, provider};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::PathBuf};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// The key of the samples.
pub const KEY: &str = "test-hmac-key";

/// An HTTP answer, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn event(&self) -> String {
        self.json()["event"].as_str().unwrap_or_else(|| panic!("no event in {self:?}")).to_owned()
    }
}

/// A sample event, as it is.
pub fn sample(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data/ottu", &format!("{name}.json")].iter().collect();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all samples.
pub fn sample_names() -> Vec<String> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data/ottu"].iter().collect();
    let names = std::fs::read_dir(folder).expect("the samples are in the repository").filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".json").filter(|name| *name != "vectors").map(str::to_owned)
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The payload, signed with that key.
pub fn signed_with(payload: &Value, key: &str) -> Vec<u8> {
    provider::ottu::sign(payload.to_string().as_bytes(), &Secret::new(key)).expect("the payload is an object")
}

/// The payload, signed with the key of the samples.
pub fn signed(payload: &Value) -> Vec<u8> {
    signed_with(payload, KEY)
}

/// A payment event like no other.
pub fn payment(state: &str, reference: &str) -> Value {
    json!({
        "amount": "10.000", "currency_code": "KWD", "customer_email": "payer@example.com", "customer_phone": "96512345678",
        "gateway_account": "credit-card", "gateway_name": "mpgs", "order_no": format!("order-{reference}"),
        "reference_number": reference, "result": if state == "paid" { "success" } else { "failed" },
        "session_id": format!("{:0>40}", reference.len()), "state": state,
    })
}

/// A request as text, with the body's length.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str("host: gateway.example\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// Posts a webhook.
pub async fn post(to: SocketAddr, path: &str, body: &[u8]) -> Answer {
    exchange(to, &request("POST", path, &[("content-type", "application/json")], body)).await
}

/// Sends bytes over a connection of their own and reads one answer.
pub async fn exchange(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut connection = Connection::open(to).await;
    connection.send(bytes).await;
    connection.answer().await.expect("an answer")
}

/// A keep-alive connection.
pub struct Connection<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap_or_else(|error| panic!("{to}: {error}"));
        Self::over(stream)
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).ok();
        Self::on(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// On a stream of any kind.
    pub fn on(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// A peer that went away shows at the answer.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.ok();
        self.stream.flush().await.ok();
    }

    /// The next answer; `None` where the connection ends before it.
    pub async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(super::until::PATIENCE, self.read()).await.expect("an answer, or the end of the connection")
    }

    /// Whether the peer closes the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        self.answer().await.is_none()
    }

    async fn read(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                let mut lines = head.split("\r\n");
                let code = lines.next()?.split(' ').nth(1)?.parse().ok()?;
                let headers: Vec<(String, String)> =
                    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
                let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
                let whole = end + 4 + length.and_then(|(_, value)| value.parse::<usize>().ok()).unwrap_or(0);
                while self.buffer.len() < whole {
                    self.more().await?;
                }
                let body = self.buffer[end + 4..whole].to_vec();
                self.buffer.drain(..whole);
                return Some(Answer { code, headers, body });
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(1..) => Some(()),
            Ok(0) | Err(_) => None,
        }
    }
}

//! A service that events are delivered to: it answers at once or late, and notes the number of each event that came.

use super::{sender::number, support::until};
use bytes::Bytes;
use hookgate::{
    domain::clock::{Clock, Instant},
    tasks,
};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, runtime};

/// The service; it runs on a thread of its own, as long as the measurement.
pub struct Service {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_down: AtomicBool,
    delay: Duration,
    taken: Mutex<Vec<(u32, Instant)>>,
    refused: Mutex<HashSet<u32>>,
}

impl Service {
    /// One that answers 200 after that time.
    pub fn after(delay: Duration) -> Self {
        let shared = Arc::new(Shared { delay, ..Shared::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be set so");
        let address = listener.local_addr().expect("it is bound");
        let own = shared.clone();
        let run = move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, own));
        };
        drop(tasks::thread("service", run).expect("a thread"));
        Self { address, shared }
    }

    /// From now on it answers 503, or 200 again.
    pub fn turns(&self, down: bool) {
        self.shared.is_down.store(down, Ordering::SeqCst);
    }

    /// The events so far and when they came.
    pub fn taken(&self) -> MutexGuard<'_, Vec<(u32, Instant)>> {
        self.shared.taken()
    }

    /// The events that came while it was down.
    pub fn refused(&self) -> HashSet<u32> {
        self.shared.refused.lock().expect("nobody panics with it").clone()
    }

    /// Waits until so many have come, for as long as at least one comes within a minute; gives when the last of them did.
    pub async fn wait_for(&self, count: usize) -> Instant {
        loop {
            let before = self.taken().len();
            if let Some((_, at)) = count.checked_sub(1).and_then(|last| self.taken().get(last).copied()) {
                return at;
            }
            until::until("events to come", || async { (self.taken().len() > before).then_some(()) }).await;
        }
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Vec<(u32, Instant)>> {
        self.taken.lock().expect("nobody panics with it")
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(answer(&shared, request).await) }
        });
        stream.set_nodelay(true).expect("a socket can be set so");
        tasks::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Empty<Bytes>> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut answer = Response::new(Empty::new());
    if shared.is_down.load(Ordering::SeqCst) {
        shared.refused.lock().expect("nobody panics with it").insert(number(&body) as u32);
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return answer;
    }
    if !shared.delay.is_zero() {
        tokio::time::sleep(shared.delay).await;
    }
    shared.taken().push((number(&body) as u32, Clock::system().instant()));
    answer
}

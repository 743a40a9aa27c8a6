//! The admin listener: sockets and the reading of requests. Few callers, so few and short limits.

use super::{Admin, Problem, Reply, Request};
use crate::{domain::head, tasks};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};

/// Open connections; further ones wait in the backlog.
const CONNECTIONS: usize = 256;
const MAX_BODY: usize = 1 << 20;
const READ_LIMIT: Duration = Duration::from_secs(10);
const IDLE_LIMIT: Duration = Duration::from_secs(75);

/// Accepts and answers until it is dropped.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, _peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of the admin listener");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(local) = stream.local_addr() else { continue };
        stream.set_nodelay(true).ok();
        let admin = Arc::clone(&admin);
        tasks::spawn(async move {
            let service = service_fn(|request| {
                let admin = Arc::clone(&admin);
                async move { Ok::<_, Infallible>(answer(&admin, request, local).await.into_response()) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(IDLE_LIMIT);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "connection of the admin listener ended");
            }
            drop(permit);
        });
    }
}

async fn answer(admin: &Admin, request: http::Request<Incoming>, local: SocketAddr) -> Reply {
    let (head, body) = request.into_parts();
    if let Some(flaw) = head::flaw(&head) {
        return Reply::problem(&Problem::new(400, "Request not clear", flaw));
    }
    let body = match tokio::time::timeout(READ_LIMIT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_too_large_or_broken)) => {
            return Reply::problem(&Problem::new(413, "Body too large", "A call of the API has at most 1 MiB."));
        }
        Err(_elapsed) => return Reply::problem(&Problem::new(408, "Request too slow", "The request was not whole within 10 seconds.")),
    };
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    admin.answer(Request { method: head.method, path, query, headers: head.headers, body }, local).await
}

//! A service manager holds the public listener's socket: the gateway is restarted under load, and no connection is refused.

use crate::support::{
    gateway::{Gateway, Home, hookgate_under},
    sender::{exchange, payment, request, signed},
    sink::{Reply, Sink},
};
use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// As systemd does it: the socket is descriptor 3, and two variables say so.
const PASS: &str = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";

fn rules(sink: &Sink) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations: {{ orders: {{ url: '{}' }} }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        sink.url("/")
    )
}

fn command(socket: &TcpListener, home: &Home) -> Command {
    let mut command = hookgate_under("sh", &["-c", PASS]);
    command.args(["serve", "--config"]).arg(home.rules_file());
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().expect("a descriptor"))));
    command
}

async fn start(socket: &TcpListener, home: Home) -> Gateway {
    Gateway::run(command(socket, &home), home).await
}

/// Sends events, each on a connection of its own, until told to stop; gives their ids. Any refusal fails it.
async fn sender(to: SocketAddr, name: usize, done: Arc<AtomicBool>) -> Vec<String> {
    let mut ids = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while !done.load(Ordering::Relaxed) {
        pace.tick().await;
        let body = signed(&payment("paid", &format!("{name}-{}", ids.len())));
        let answer = exchange(to, &request("POST", "/webhooks/ottu", &[], &body)).await;
        assert_eq!(answer.code, 200, "{}", answer.text());
        ids.push(answer.event());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_refuse_no_connection_and_lose_nothing() {
    let sink = Sink::always(Reply::status(200));
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("it is bound");
    let mut gateway = start(&socket, Home::new(&rules(&sink))).await;
    assert_eq!(gateway.public, address, "the socket is the one that was passed, whatever `server.listen` says");
    let done = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4).map(|name| hookgate::tasks::spawn(sender(address, name, Arc::clone(&done)))).collect();
    let restarts: usize = std::env::var("HOOKGATE_TEST_RESTARTS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    for _ in 0..restarts {
        let before = sink.requests().len();
        sink.wait_for("some events between two restarts", |requests| requests.len() > before + 10).await;
        gateway.terminate();
        let (status, log, home) = gateway.ended_in().await;
        assert_eq!(status.code(), Some(0), "{log:#?}");
        gateway = start(&socket, home).await;
    }
    done.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for sender in senders {
        for id in sender.await.expect("every answer is 200") {
            gateway.until_status(&id, "delivered").await;
            sent += 1;
        }
    }
    let got = sink.requests();
    let mut ids: Vec<_> = got.iter().filter_map(|request| request.header("webhook-id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), got.len()), (sent, sent), "each event once: an orderly stop repeats nothing");
}

#[tokio::test]
async fn what_connects_while_no_gateway_runs_is_answered_by_the_next_one() {
    let sink = Sink::always(Reply::status(200));
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("it is bound");
    let home = start(&socket, Home::new(&rules(&sink))).await.kill();
    let body = signed(&payment("paid", "R1"));
    let waiting = hookgate::tasks::spawn(async move { exchange(address, &request("POST", "/webhooks/ottu", &[], &body)).await });
    let _gateway = start(&socket, home).await;
    assert_eq!(waiting.await.expect("an answer").code, 200);
    sink.wait_for("the event", |requests| requests.len() == 1).await;
}

#[test]
fn what_is_passed_and_is_no_single_socket_is_refused_with_a_word() {
    let sink = Sink::always(Reply::status(200));
    let home = Home::new(&rules(&sink));
    for (script, said) in [
        (PASS, "is no TCP socket to listen on"),
        ("export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$0\" \"$@\"", "LISTEN_FDS passes 2 sockets; one is wanted"),
    ] {
        let mut command = hookgate_under("sh", &["-c", script]);
        let output = command.args(["serve", "--config"]).arg(home.rules_file()).stdin(Stdio::null()).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(said), "{told}");
    }
}

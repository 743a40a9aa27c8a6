//! Crowds at the front door: slow senders, idle connections, more connections than there are descriptors. A proper sender
//! among them is answered as if they were not there.

use crate::support::{
    descriptors,
    gateway::{Gateway, Home, hookgate_under},
    sender::{Connection, payment, post, request, signed},
    until::{until, until_eq},
};
use hookgate::{domain::clock::Clock, tasks};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

const RULES: &str = "
sources: { ottu: { secret: test-hmac-key } }
destinations: { orders: { url: 'http://127.0.0.1:9', paused: true } }
rules: [ { name: all, to: orders } ]
";

/// Sends a head and a body one byte at a time, and begins anew whenever it is thrown out; so many bytes come at once.
fn dawdle(to: SocketAddr, at_once: usize) -> JoinHandle<()> {
    let text = request("POST", "/webhooks/ottu", &[], &signed(&payment("paid", "slow")));
    tasks::spawn(async move {
        loop {
            let Ok(mut stream) = TcpStream::connect(to).await else { continue };
            stream.write_all(&text[..at_once]).await.ok();
            for byte in &text[at_once..] {
                tokio::time::sleep(Duration::from_millis(200)).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        }
    })
}

/// The slowest of all but one in a hundred answers to proper senders, each on a connection of its own.
async fn p99(gateway: &Gateway, from: &str) -> Duration {
    let clock = Clock::system();
    let mut took = Vec::new();
    for number in 0..200 {
        let start = clock.instant();
        let answer = post(gateway.public, "/webhooks/ottu", &signed(&payment("paid", &format!("{from}-{number}")))).await;
        assert_eq!(answer.code, 200, "{}", answer.text());
        took.push(clock.instant().duration_since(start));
    }
    took.sort_unstable();
    took[197]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_a_thousand_slow_senders_and_ten_thousand_idle_connections_a_proper_one_is_answered_within_a_second() {
    // Each has an end in this process and one in the gateway; other tests run beside this one.
    if !descriptors::allow(16_384) {
        return;
    }
    let (slow, idle) = (1_000, 10_000);
    let gateway = Gateway::start(RULES).await;
    // Whoever is known may have more connections than others.
    assert_eq!(post(gateway.public, "/webhooks/ottu", &signed(&payment("paid", "known"))).await.code, 200);
    let mut open = Vec::new();
    for _ in 0..idle {
        open.push(TcpStream::connect(gateway.public).await.expect("it is let in"));
    }
    let head = request("POST", "/webhooks/ottu", &[], b"").len();
    let senders: Vec<_> = (0..slow).map(|number| dawdle(gateway.public, if number % 2 == 0 { 1 } else { head + 2 })).collect();
    let series = "process_open_fds";
    until("all of them to be there", || async { (gateway.metric(series).await >= (idle + slow) as f64 / 2.0).then_some(()) }).await;
    let p99 = p99(&gateway, "among").await;
    assert!(p99 < Duration::from_secs(1), "{p99:?}");
    // Whoever sends no head is thrown out, and takes no descriptor for long.
    until("the idle ones to be gone", || async { (gateway.metric(series).await < (slow + 500) as f64).then_some(()) }).await;
    senders.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fewer_descriptors_than_connections_a_proper_sender_is_answered_within_five_seconds_and_nothing_spins() {
    if !descriptors::allow(4_096) {
        return;
    }
    let home = Home::new(RULES);
    let mut command = hookgate_under("sh", &["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]);
    command.args(["serve", "--config"]).arg(home.rules_file());
    let gateway = Gateway::run(command, home).await;
    let clock = Clock::system();
    let mut crowd = Vec::new();
    for _ in 0..1_000 {
        crowd.push(TcpStream::connect(gateway.public).await.expect("the kernel lets it in"));
    }
    let start = clock.instant();
    let answer = post(gateway.public, "/webhooks/ottu", &signed(&payment("paid", "behind-them"))).await;
    let waited = clock.instant().duration_since(start);
    assert_eq!(answer.code, 200);
    assert!(waited < Duration::from_secs(5), "{waited:?}");

    // Those that are left are let in, and stay for as long as a head may take.
    let cpu = gateway.metric("process_cpu_seconds_total").await;
    let start = clock.instant();
    let mut closed = 0;
    for mut stream in crowd {
        closed += usize::from(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }
    let (cpu, waited) = (gateway.metric("process_cpu_seconds_total").await - cpu, clock.instant().duration_since(start));
    assert_eq!(closed, 1_000);
    assert!(cpu < 0.5 + waited.as_secs_f64() / 4.0, "{cpu} s of work in {waited:?}");
    let mut proper = Connection::open(gateway.public).await;
    proper.send(&request("POST", "/webhooks/ottu", &[], &signed(&payment("paid", "after-them")))).await;
    assert_eq!(proper.answer().await.expect("an answer").code, 200);
    until_eq("all of it to be stored", 2, || async { gateway.get("/api/v1/events").await.json()["events"].as_array().map_or(0, Vec::len) })
        .await;
    assert_eq!(gateway.get("/readyz").await.code, 200);
}

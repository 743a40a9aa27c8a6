//! The provider as it behaves: it tries three times, only after a timeout, and takes any answer but 200 and 201, a reset and
//! a refused connection as final. Against a gateway whose store is away for a while, or that is restarted or killed, alone
//! and behind proxies, it loses nothing.

use crate::{
    store_faults::SmallDisk,
    support::{
        gateway::{Gateway, Home, hookgate, hookgate_under},
        port::Port,
        proxy::{Kind, Proxy},
        sender::{Answer, Connection, exchange, payment, request, signed},
        sink::{Reply, Sink},
        skipped,
        until::until,
    },
};
use hookgate::{domain::clock::Clock, tasks};
use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};
use tokio::{net::TcpStream, sync::watch, task::JoinHandle, time::timeout};

/// Time here goes so much faster than at the provider, unless `HOOKGATE_TEST_SCALE` says otherwise: 1 is the provider's own.
fn scale() -> u32 {
    let given = std::env::var("HOOKGATE_TEST_SCALE").ok();
    given.map_or(10, |given| given.parse().expect("HOOKGATE_TEST_SCALE is a whole number above 0"))
}

const TIMEOUTS: [Duration; 3] = [Duration::from_secs(15), Duration::from_secs(20), Duration::from_secs(25)];
const PAUSE: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(20);
const TRIES: usize = 3;

/// What the provider says of one webhook.
#[derive(Debug)]
struct Told {
    body: Vec<u8>,
    tries: usize,
    /// Answered 200 or 201, with the event's id; else why it will never be sent again.
    outcome: Result<String, String>,
}

/// Tells of one event, as the provider does.
async fn tell(to: SocketAddr, body: Vec<u8>, patience: Duration, pause: Duration) -> Told {
    let text = request("POST", "/webhooks/ottu", &[("content-type", "application/json"), ("connection", "close")], &body);
    for tries in 1..=TRIES {
        match timeout(patience, ask(to, &text)).await {
            Err(_timeout) => tokio::time::sleep(pause).await,
            Ok(Ok(answer)) if matches!(answer.code, 200 | 201) => return Told { tries, outcome: Ok(answer.event()), body },
            Ok(Ok(answer)) => return Told { body, tries, outcome: Err(format!("answered {}", answer.code)) },
            Ok(Err(error)) => return Told { body, tries, outcome: Err(error) },
        }
    }
    Told { body, tries: TRIES, outcome: Err("three timeouts".to_owned()) }
}

async fn ask(to: SocketAddr, text: &[u8]) -> Result<Answer, String> {
    let mut connection = Connection::over(TcpStream::connect(to).await.map_err(|error| error.to_string())?);
    connection.send(text).await;
    connection.answer().await.ok_or_else(|| "closed without an answer".to_owned())
}

/// Tells of one event after the other, at their pace, until it is stopped.
struct Provider {
    stop: watch::Sender<bool>,
    work: JoinHandle<Vec<Told>>,
}

impl Provider {
    fn start(to: SocketAddr, name: &'static str, patience: Duration, pause: Duration) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let work = tasks::spawn(async move {
            let mut sent = Vec::new();
            while timeout(Duration::from_millis(50), stopped.wait_for(|stopped| *stopped)).await.is_err() {
                let body = signed(&payment("paid", &format!("{name}-{}", sent.len())));
                sent.push(tasks::spawn(tell(to, body, patience, pause)));
            }
            let mut told = Vec::new();
            for sent in sent {
                told.push(sent.await.expect("the provider does not panic"));
            }
            told
        });
        Self { stop, work }
    }

    async fn end(self) -> Vec<Told> {
        self.stop.send_replace(true);
        self.work.await.expect("the provider does not panic")
    }
}

fn rules(sink: &Sink) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations:\n  orders: {{ url: '{}' }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        sink.url("/")
    )
}

/// The oracle: every event was told, each has arrived at least once with the same bytes, and nothing else has.
async fn nothing_is_lost_or_invented(told: &[Told], gateway: &Gateway, sink: &Sink) {
    for told in told {
        let id = told.outcome.as_ref().unwrap_or_else(|why| panic!("lost after {} tries: {why}", told.tries));
        gateway.until_status(id, "delivered").await;
    }
    let arrived = sink.requests();
    for told in told {
        let id = told.outcome.as_deref().expect("just looked at");
        let its = |arrived: &&crate::support::sink::Request| arrived.header("webhook-id") == Some(id);
        assert!(arrived.iter().filter(its).any(|arrived| arrived.body == told.body), "{id} did not arrive as it was sent");
    }
    assert!(arrived.iter().all(|arrived| told.iter().any(|told| told.body == arrived.body)), "something was invented");
}

/// What makes the store fail for a while.
enum Fault {
    /// Syncs fail, after some that do not.
    Syncs,
    /// The disk is full.
    Disk(SmallDisk),
}

impl Fault {
    // Counted in each thread: a start makes fewer; of those of the store's writer some succeed, then all fail.
    const STRACE: [&str; 10] =
        ["-D", "-f", "-I", "1", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=20+"];

    /// `None`: it cannot be made here, which is said.
    fn syncs() -> Option<Self> {
        let mut trial = Command::new("strace");
        trial.args(Self::STRACE).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if trial.status().is_ok_and(|status| status.success()) {
            return Some(Self::Syncs);
        }
        skipped::say("strace is missing, or may not trace here (apt-get install strace)");
        None
    }

    fn disk() -> Option<Self> {
        let disk = SmallDisk::mount().map(Self::Disk);
        if disk.is_none() {
            skipped::say("a small disk cannot be mounted here; that takes root");
        }
        disk
    }

    async fn gateway(&self, sink: &Sink) -> Gateway {
        let (home, mut command) = match self {
            Self::Syncs => (Home::new(&rules(sink)), hookgate_under("strace", &Self::STRACE)),
            Self::Disk(disk) => (Home::with_data(disk.data(), &rules(sink)), hookgate()),
        };
        command.args(["serve", "--config"]).arg(home.rules_file());
        Gateway::run(command, home).await
    }

    /// What the store gives back while it tries is taken too.
    fn go_on(&self) {
        match self {
            Self::Syncs => {}
            Self::Disk(disk) => disk.fill(),
        }
    }

    fn end(&self, gateway: &Gateway) {
        match self {
            Self::Syncs => gateway.end_tracer(),
            Self::Disk(disk) => disk.free(),
        }
    }
}

/// A store that is away for as long as the contract says, with three providers of different patience.
async fn an_outage(fault: Option<Fault>, front: Option<Kind>) {
    let Some(fault) = fault else { return };
    let sink = Sink::always(Reply::status(200));
    let gateway = fault.gateway(&sink).await;
    let proxy = match front {
        None => None,
        Some(kind) => match Proxy::start(kind, gateway.public).await {
            None => return,
            proxy => proxy,
        },
    };
    let to = proxy.as_ref().map_or(gateway.public, |proxy| proxy.address);
    let scale = scale();
    let names = ["fifteen", "twenty", "twenty-five"];
    let providers: Vec<_> =
        names.iter().zip(TIMEOUTS).map(|(name, patience)| Provider::start(to, name, patience / scale, PAUSE / scale)).collect();
    let is_away = || async { gateway.get("/readyz").await.code == 503 };
    until("events before the outage", || async { (sink.requests().len() > 5 || is_away().await).then_some(()) }).await;
    until("the outage", || {
        fault.go_on();
        async { is_away().await.then_some(()) }
    })
    .await;
    let clock = Clock::system();
    let start = clock.instant();
    until("its end", || {
        fault.go_on();
        async { (clock.instant().duration_since(start) >= OUTAGE / scale).then_some(()) }
    })
    .await;
    until("it to be away still", || {
        fault.go_on();
        async { is_away().await.then_some(()) }
    })
    .await;
    fault.end(&gateway);
    until("readiness", || async { (!is_away().await).then_some(()) }).await;
    let mut told = Vec::new();
    for provider in providers {
        told.extend(provider.end().await);
    }
    assert!(told.iter().any(|told| told.tries > 1), "some have met the outage, and come again");
    assert!(told.iter().any(|told| told.tries == 1), "some have not");
    nothing_is_lost_or_invented(&told, &gateway, &sink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_the_provider_loses_nothing() {
    an_outage(Fault::syncs(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_is_full_the_provider_loses_nothing() {
    an_outage(Fault::disk(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_the_provider_loses_nothing_behind_nginx() {
    an_outage(Fault::syncs(), Some(Kind::Nginx)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_the_provider_loses_nothing_behind_haproxy() {
    an_outage(Fault::syncs(), Some(Kind::Haproxy)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_haproxy_the_provider_sees_neither_a_restart_nor_a_crash() {
    let sink = Sink::always(Reply::status(200));
    // It comes back at its address.
    let port = Port::claim();
    let rules = format!("server: {{ listen: '{}', admin: '127.0.0.1:0' }}\n{}", port.address, rules(&sink));
    let mut gateway = Gateway::start(&rules).await;
    let Some(proxy) = Proxy::start(Kind::Haproxy, gateway.public).await else { return };
    let provider = Provider::start(proxy.address, "restart", TIMEOUTS[0], PAUSE);
    for is_orderly in [true, false] {
        let before = sink.requests().len();
        until("some events", || async { (sink.requests().len() > before + 10).then_some(()) }).await;
        let home = match is_orderly {
            false => gateway.kill(),
            true => {
                gateway.terminate();
                gateway.ended_in().await.2
            }
        };
        gateway = Gateway::start_in(home).await;
    }
    let before = sink.requests().len();
    until("more events", || async { (sink.requests().len() > before + 10).then_some(()) }).await;
    nothing_is_lost_or_invented(&provider.end().await, &gateway, &sink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_sends_again_what_was_cut_off_up_to_the_documented_size() {
    let cut_off = Mutex::new(Vec::new());
    let sink = Sink::scripted(move |_, request| {
        let mut cut_off = cut_off.lock().expect("no panic");
        match request.path.as_str() {
            path if !path.starts_with("/webhooks/") => Reply::status(404),
            path if cut_off.iter().any(|cut| cut == path) => Reply::status(200),
            path => {
                cut_off.push(path.to_owned());
                Reply::HalfClose
            }
        }
    });
    let Some(proxy) = Proxy::start(Kind::Haproxy, SocketAddr::from(([127, 0, 0, 1], sink.port()))).await else { return };
    for (path, length, code) in [("/webhooks/usual", 4 << 10, 200), ("/webhooks/large", 60 << 10, 200), ("/webhooks/huge", 80 << 10, 502)] {
        let head = request("POST", path, &[], b"").len() + "xxxx".len();
        let text = request("POST", path, &[], &vec![b'x'; length - head]);
        assert_eq!(exchange(proxy.address, &text).await.code, code, "{path}");
    }
}

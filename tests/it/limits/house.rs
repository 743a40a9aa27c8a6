//! The listener itself, on a real socket, without the rest of the gateway.

use crate::support::{
    fake_store::FakeStore,
    sender::{Connection, request, sample},
};
use hookgate::{
    domain::{
        clock::{Clock, Instant},
        delivery::{Lease, Seq},
        name::Name,
        order::OrderKey,
        secret::Secret,
    },
    metrics::{Labels, Metrics},
    provider::{self, Scheme, Unsigned},
    receive::{
        Dispatch, FrontDoor, SourceSettings, Waiting,
        server::{self, Limits, Settings, Stage},
    },
    route::Rules,
    store::{self, Store},
    tasks,
};
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

/// Takes nothing on: no rule sends anything anywhere.
struct Nowhere;

impl Dispatch for Nowhere {
    fn dispatch(&self, leases: Vec<Lease>, deferred: &[Name]) {
        assert!(leases.is_empty() && deferred.is_empty());
    }

    fn watch(&self, _: &Name, _: Seq, _: Option<OrderKey>, _: Instant) -> Waiting {
        panic!("no rule waits for anybody")
    }
}

/// A limit that no story reaches.
pub const AGES: Duration = Duration::from_secs(600);

/// A listener in front of a store.
pub struct House {
    pub address: SocketAddr,
    pub stage: watch::Sender<Stage>,
    pub server: JoinHandle<()>,
    pub store: Arc<dyn Store>,
    pub metrics: Arc<Metrics>,
    _folder: TempDir,
}

impl House {
    pub fn open(limits: Limits) -> Self {
        Self::with(Settings { limits, ..Settings::default() })
    }

    /// With a store on disk.
    pub fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stored = store::Settings {
            path: folder.path().join("data"),
            keep: Duration::from_secs(3600),
            keep_unresolved: Duration::from_secs(3600),
        };
        let metrics = metrics();
        let store = store::open(&stored, Clock::system(), Arc::clone(&metrics)).expect("a store");
        Self::over(store, metrics, AGES, folder, settings)
    }

    /// With a store that takes nothing in, and sources that wait for it so long.
    pub fn in_vain(hold: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::over(FakeStore::new(Clock::system()), metrics(), hold, folder, Settings::default())
    }

    fn over(store: Arc<dyn Store>, metrics: Arc<Metrics>, hold: Duration, folder: TempDir, settings: Settings) -> Self {
        let (clock, name) = (Clock::system(), Name::unchecked("ottu"));
        let source = SourceSettings {
            name: name.clone(),
            path: "/webhooks/ottu".to_owned(),
            allow_ips: Vec::new(),
            provider_timeout: Duration::from_secs(15),
            hold,
            dedupe: Duration::from_secs(3600),
            keys: Arc::new([]),
        };
        let provider = provider::Settings { scheme: Scheme::Ottu, secrets: vec![Secret::new("test-hmac-key")], unsigned: Unsigned::Reject };
        let rules = Rules { answers: HashMap::from([(name, 200)]), ..Rules::default() };
        let door = FrontDoor::new(
            vec![(source, provider)],
            Arc::new(rules),
            Arc::clone(&store),
            Arc::new(Nowhere),
            clock.clone(),
            Arc::clone(&metrics),
        );
        let listener = server::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (stage, stages) = watch::channel(Stage::Open);
        let server = tasks::spawn(server::serve(listener, Arc::new(door), settings, clock, stages));
        Self { address, stage, server, store, metrics, _folder: folder }
    }

    /// The value of a series.
    pub fn metric(&self, series: &str) -> f64 {
        let text = String::from_utf8(self.metrics.render()).expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in {text}"))
    }

    /// A connection whose head is read, and of whose webhook the last byte is missing.
    pub async fn busy(&self) -> Connection {
        let mut busy = Connection::open(self.address).await;
        let asking = request("POST", "/webhooks/ottu", &[("expect", "100-continue")], &sample("payment.paid"));
        busy.send(&asking[..asking.len() - 1]).await;
        assert_eq!(busy.answer().await.expect("its head was read").code, 100);
        busy
    }
}

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(&Labels { sources: vec![Name::unchecked("ottu")], ..Labels::default() }))
}

/// A webhook as it is sent.
pub fn webhook() -> Vec<u8> {
    request("POST", "/webhooks/ottu", &[], &sample("payment.paid"))
}

//! What the rules file says while the gateway runs: put in force at the start, and again after a reload, whole or not at all.

use crate::{
    admin::{Gateway, Reloading, Unexplained, dev_sink::DevSink},
    config::{self, Config, Loaded, Unset},
    deliver::lanes::{Lane, Lanes},
    destination::{self, Destination},
    domain::{
        clock::Clock,
        event::{Kept, Verdict},
        name::Name,
        plan::{Plan, Respond, Target},
        rejected::Rejected,
    },
    metrics::{Labels, Metrics},
    provider,
    receive::{FrontDoor, SourceSettings},
    store::{Store, StoreError},
    tasks,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

use super::{dev, explain::InForce};

/// How long a start or a reload waits for deliveries that are parked or taken up again; a great many go on beside the rest.
const SERVE_WAIT: Duration = Duration::from_secs(1);

/// Puts rules files in force.
pub(super) struct Reloader {
    /// The rules file.
    pub(super) file: PathBuf,
    pub(super) door: Arc<FrontDoor>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) dev: Option<Dev>,
    /// One reload at a time.
    pub(super) current: Mutex<Current>,
    /// What is in force, as far as events are concerned.
    pub(super) subject: InForce,
}

/// What `serve --dev` replaces destinations by.
pub(super) struct Dev {
    /// Where deliveries are taken.
    pub(super) sink: Arc<DevSink>,
    /// The admin listener, where it is.
    pub(super) admin: SocketAddr,
}

/// The parts that a reload compares with.
pub(super) struct Current {
    /// The configuration as it was read at the start: what is read only then, and does not change.
    pub(super) at_start: Config,
    /// The destinations in force.
    pub(super) destinations: Destinations,
}

/// Each destination as it is called, kept while its settings stay: so its connections stay too.
#[derive(Debug, Default)]
pub(super) struct Destinations(HashMap<Name, (destination::Settings, Arc<dyn Destination>)>);

impl Destinations {
    /// The lanes of a configuration.
    pub(super) fn lanes(&mut self, config: &Config) -> Vec<Lane> {
        let mut before = std::mem::take(&mut self.0);
        let mut lane = |said: &config::Destination| {
            let same = before.remove(&said.name).filter(|(settings, _)| *settings == said.settings);
            let destination = same.map_or_else(|| destination::build(&said.name, said.settings.clone()), |(_, destination)| destination);
            self.0.insert(said.name.clone(), (said.settings.clone(), Arc::clone(&destination)));
            Lane { name: said.name.clone(), policy: said.policy.clone(), destination }
        };
        config.destinations.iter().map(&mut lane).collect()
    }
}

impl Reloader {
    /// Reads the rules file again, and takes it if nothing is wrong with it. Gives its warnings, or its problems. Who drops it
    /// in the middle leaves the gateway between two states, so it runs in a task of its own.
    pub(super) async fn reload(&self) -> Result<Vec<Value>, Vec<Value>> {
        let mut current = self.current.lock().await;
        let unset = if self.dev.is_some() { Unset::Dev } else { Unset::Error };
        let file = self.file.clone();
        let read = tasks::blocking(move || config::load(&file, &|name| std::env::var(name).ok(), unset).and_then(Loaded::rehearsed)).await;
        let loaded = read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        match loaded {
            Ok(Loaded { config, warnings, .. }) => {
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                let mut told: Vec<Value> = warnings.iter().map(|warning| json!(warning)).collect();
                for key in read_at_start(&current.at_start, &config) {
                    tracing::warn!(key, "it has changed in the rules file, and is read at start only: restart to take the change");
                    let message = format!("`{key}` has changed, and is read at start only: restart to take the change");
                    let file = self.file.display().to_string();
                    told.push(json!({ "severity": "warning", "code": "read-at-start", "file": file, "line": 0, "message": message }));
                }
                self.take(&mut current, config).await;
                Ok(told)
            }
            Err(error) => {
                self.metrics.config_refused();
                for problem in &error.problems {
                    tracing::error!("{problem}");
                }
                tracing::error!(problems = error.problems.len(), "the rules file was not taken: the rules before it stay in force");
                Err(error.problems.iter().map(|problem| json!(problem)).collect())
            }
        }
    }

    /// Destinations first, then the rules that name them: so no event meets a destination that is not there yet. One that the
    /// old rules still send to a destination that is gone is parked.
    async fn take(&self, current: &mut Current, mut config: Config) {
        let names = names(&config);
        if let Some(dev) = &self.dev {
            dev::replace_destinations(&mut config, dev.admin);
            dev.sink.keep(&names);
        }
        self.metrics.add(&labels(&config));
        self.lanes.replace(current.destinations.lanes(&config));
        serve(&self.store, &self.lanes, names).await;
        let rules = config.rules.rules.len();
        self.subject.replace(config.subject());
        self.door.replace(sources(&config), Arc::new(config.rules));
        self.metrics.config_taken(rules, self.clock.now());
        tracing::info!(rules, file = %self.file.display(), "the rules file was read again and is in force");
        let door = Arc::clone(&self.door);
        tasks::spawn(async move { door.verify_again().await });
    }
}

impl Gateway for Reloader {
    fn plan(&self, kept: Kept) -> Plan {
        self.door.rules().plan(&provider::restore(kept))
    }

    fn keeps_order(&self, destinations: &[Name]) -> bool {
        let rules = self.door.rules();
        destinations.iter().any(|name| rules.orders.contains_key(name))
    }

    fn targets(&self, kept: Kept, destinations: &[Name]) -> Vec<Target> {
        self.door.rules().targets(destinations, &provider::restore(kept))
    }

    fn explain(&self, from: Option<&str>, payload: Bytes) -> Result<Value, Unexplained> {
        self.subject.explain(from, payload, self.clock.now())
    }

    fn explain_kept(&self, kept: Kept, verdict: Verdict) -> Value {
        self.subject.explain_kept(kept, verdict, self.clock.now())
    }

    fn rejected(&self, limit: usize) -> (usize, Vec<Rejected>) {
        self.door.rejected(limit)
    }

    fn reload(self: Arc<Self>) -> Reloading {
        let task = tasks::spawn(async move { Self::reload(&self).await });
        let ended = || vec![json!({ "severity": "error", "message": "the reload came to no end; the log says more" })];
        Box::pin(async move { task.await.unwrap_or_else(|_panicked| Err(ended())) })
    }
}

/// Tells the store which destinations there are: what waits for any other is parked. Lanes are told of what waits for theirs.
pub(super) async fn serve(store: &Arc<dyn Store>, lanes: &Arc<Lanes>, names: Vec<Name>) {
    let (store, lanes) = (Arc::clone(store), Arc::clone(lanes));
    let serving = tasks::spawn(async move {
        match store.serve(names.clone()).await {
            Ok(()) => names.iter().for_each(|name| lanes.wake(name)),
            Err(StoreError::Closed) => {}
            Err(error @ (StoreError::Failing(_) | StoreError::OnReserve(_) | StoreError::Unusable { .. })) => {
                tracing::error!(%error, "what waits for removed destinations could not all be parked");
            }
        }
    });
    // It goes on by itself where it takes longer.
    let _ = timeout(SERVE_WAIT, serving).await;
}

/// The destinations, in the order of the file.
pub(super) fn names(config: &Config) -> Vec<Name> {
    config.destinations.iter().map(|destination| destination.name.clone()).collect()
}

/// What the front door is told of the sources.
pub(super) fn sources(config: &Config) -> Vec<(SourceSettings, provider::Settings)> {
    config.sources.iter().map(|source| (source.receive.clone(), source.provider.clone())).collect()
}

/// The label sets that a configuration makes possible.
pub(super) fn labels(config: &Config) -> Labels {
    let responds = config.rules.rules.iter().filter_map(|rule| rule.respond.as_ref());
    Labels {
        sources: config.sources.iter().map(|source| source.receive.name.clone()).collect(),
        answers: config.rules.answers.values().copied().chain(responds.flat_map(Respond::codes)).collect(),
        destinations: names(config),
        rules: config.rules.rules.iter().map(|rule| rule.name.clone()).collect(),
    }
}

/// The keys that are read at start only, and say something else now.
fn read_at_start(before: &Config, now: &Config) -> Vec<&'static str> {
    let compared = [
        ("server.listen", before.listen == now.listen),
        ("server.admin", before.admin.listen == now.admin.listen),
        ("server.admin_token", before.admin.token == now.admin.token),
        ("server.admin_hosts", before.admin.hosts == now.admin.hosts),
        ("server.tls", before.public.tls == now.public.tls),
        ("server.trusted_proxies", before.public.trusted_proxies == now.public.trusted_proxies),
        ("server.drain_delay", before.drain_delay == now.drain_delay),
        ("store.path", before.store.path == now.store.path),
        ("store.keep", before.store.keep == now.store.keep),
        ("store.keep_unresolved", before.store.keep_unresolved == now.store.keep_unresolved),
    ];
    compared.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect()
}

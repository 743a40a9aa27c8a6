//! What the rules file says while the gateway runs: put in force at the start, and again after a reload, whole or not at all.

use super::{
    dev, explain,
    follow::AGAIN,
    history::{Cause, History, InForce},
};
use crate::{
    admin::{Comparing, Gateway, Reloading, Unexplained, dev_sink::DevSink},
    config::{self, Config, ConfigError, Diagnostic, Files, Loaded, Marks, Unset},
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
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

/// How long a start or a reload waits for deliveries that are parked or taken up again; a great many go on beside the rest.
const SERVE_WAIT: Duration = Duration::from_secs(1);

/// How long a reading may take: a file system may hang, and reloads come one after the other.
const READ_LIMIT: Duration = Duration::from_secs(10);

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
    /// What is in force, as far as events are concerned.
    pub(super) subject: explain::InForce,
    /// The configuration as it was read at the start: what is read only then, and does not change.
    pub(super) at_start: Config,
    /// The destinations in force. One reload at a time.
    pub(super) destinations: Mutex<Destinations>,
    /// What was read so far.
    pub(super) history: std::sync::Mutex<History>,
}

/// What came of a change that was found in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// It was read, and taken or refused.
    Settled,
    /// It was not the same for long enough.
    StillChanging,
    /// It could not be read in time, which says nothing of what is in it.
    TooSlow,
}

/// What `serve --dev` replaces destinations by.
pub(super) struct Dev {
    /// Where deliveries are taken.
    pub(super) sink: Arc<DevSink>,
    /// The admin listener, where it is.
    pub(super) admin: SocketAddr,
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
    /// Reads the rules file again, and takes it if nothing is wrong with it, in a task of its own: who dropped it in the middle
    /// would leave the gateway between two states. What comes of it is in the log and in the metrics too.
    pub(super) fn begin(self: Arc<Self>, by: Cause) -> Reloading {
        let task = tasks::spawn(async move {
            let mut destinations = self.destinations.lock().await;
            let (loaded, files) = self.read(self.file.clone()).await;
            self.conclude(&mut destinations, by, loaded, files).await
        });
        let ended = || vec![json!({ "severity": "error", "message": "the reload came to no end; the log says more" })];
        Box::pin(async move { task.await.unwrap_or_else(|_panicked| Err(ended())) })
    }

    /// Does the same since two looks found that in the files, unless it was read meanwhile. What is read has to be what was
    /// found, and what no look has seen yet is looked at once more: a half-written file can be valid.
    pub(super) async fn follow(&self, found: Marks) -> Followed {
        let mut destinations = self.destinations.lock().await;
        if self.known() == found {
            return Followed::Settled;
        }
        let (loaded, files) = self.read(self.file.clone()).await;
        let Some(files) = files else {
            drop(self.conclude(&mut destinations, Cause::Files, loaded, None).await);
            return Followed::TooSlow;
        };
        if !files.marks().is_part_of(&found) {
            sleep(AGAIN).await;
            let read = files.marks().clone();
            let is_as_read = tasks::blocking(move || read.look() == read).await;
            if !is_as_read.unwrap_or(false) {
                return Followed::StillChanging;
            }
        }
        drop(self.conclude(&mut destinations, Cause::Files, loaded, Some(files)).await);
        Followed::Settled
    }

    /// What was in the files when they were read last.
    pub(super) fn known(&self) -> Marks {
        self.history().known.clone()
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and checks a rules file. Nothing was noted of files that were not read in time.
    pub(super) async fn read(&self, file: PathBuf) -> (Result<Loaded, ConfigError>, Option<Files>) {
        let unset = if self.dev.is_some() { Unset::Dev } else { Unset::Error };
        let named = file.clone();
        let reading = tasks::blocking(move || {
            let mut files = Files::default();
            let loaded = config::load_noting(&file, &|name| std::env::var(name).ok(), unset, &mut files).and_then(Loaded::rehearsed);
            (loaded, Some(files))
        });
        match timeout(READ_LIMIT, reading).await {
            Ok(read) => read.unwrap_or_else(|error| (Err(config::came_to_no_end(&named, &error)), None)),
            Err(_elapsed) => (Err(config::too_slow(&named, READ_LIMIT)), None),
        }
    }

    /// Takes what was read, if nothing is wrong with it. Gives the warnings of a file that was taken, or the problems of one
    /// that was not.
    async fn conclude(
        &self,
        destinations: &mut Destinations,
        by: Cause,
        loaded: Result<Loaded, ConfigError>,
        files: Option<Files>,
    ) -> Result<Vec<Value>, Vec<Value>> {
        let hash = files.as_ref().map(Files::hash).unwrap_or_default();
        match loaded {
            Ok(Loaded { config, warnings, texts }) => {
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                let mut told = json_of(&warnings);
                for warning in self.read_at_start(&config, &self.file) {
                    tracing::warn!(
                        key = warning["key"].as_str(),
                        "it has changed in the rules file, and is read at start only: restart to take the change"
                    );
                    told.push(warning);
                }
                let rules = config.rules.rules.len();
                self.take(destinations, config).await;
                tracing::info!(rules, file = %self.file.display(), hash, by = by.as_str(), "the rules file was read again and is in force");
                let in_force = InForce { texts, rules, warnings: told.clone(), hash, at: self.clock.now() };
                self.history().taken(by, in_force, files.unwrap_or_default().of_taken());
                Ok(told)
            }
            Err(error) => {
                self.metrics.config_refused();
                for problem in &error.problems {
                    tracing::error!("{problem}");
                }
                let problems = error.problems.len();
                tracing::error!(problems, hash, by = by.as_str(), "the rules file was not taken: the rules before it stay in force");
                let told = json_of(&error.problems);
                let mut history = self.history();
                history.refused(by, &told, hash, self.clock.now());
                if let Some(files) = files {
                    history.known = files.of_refused();
                }
                Err(told)
            }
        }
    }

    /// A warning for each key that is read at start only, and says something else now.
    pub(super) fn read_at_start(&self, config: &Config, file: &Path) -> Vec<Value> {
        let warning = |key: &'static str| {
            let message = format!("`{key}` has changed, and is read at start only: restart to take the change");
            let file = file.display().to_string();
            json!({ "severity": "warning", "code": "read-at-start", "file": file, "line": 0, "message": message, "key": key })
        };
        read_at_start(&self.at_start, config).into_iter().map(warning).collect()
    }

    /// Destinations first, then the rules that name them: so no event meets a destination that is not there yet. One that the
    /// old rules still send to a destination that is gone is parked.
    async fn take(&self, destinations: &mut Destinations, mut config: Config) {
        let names = names(&config);
        if let Some(dev) = &self.dev {
            dev::replace_destinations(&mut config, dev.admin);
            dev.sink.keep(&names);
        }
        self.metrics.add(&labels(&config));
        self.lanes.replace(destinations.lanes(&config));
        serve(&self.store, &self.lanes, names).await;
        let rules = config.rules.rules.len();
        self.subject.replace(config.subject());
        self.door.replace(sources(&config), Arc::new(config.rules));
        self.metrics.config_taken(rules, self.clock.now());
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
        self.begin(Cause::Api)
    }

    fn dry_run(self: Arc<Self>, beside: Option<String>, last: usize) -> Comparing {
        self.compare(beside, last)
    }

    fn config(&self) -> Value {
        self.history().to_json()
    }
}

/// Each as `check --format json` shows it.
pub(super) fn json_of(found: &[Diagnostic]) -> Vec<Value> {
    found.iter().map(|one| json!(one)).collect()
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

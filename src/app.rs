//! Wiring: a configuration becomes a running gateway, and a running gateway comes to an orderly stop.

use crate::{
    admin::{self, Access, Admin, Planner, dev_sink::DevSink},
    config::{self, Config, ConfigError, Loaded, Unset},
    deliver::lanes::{Lane, Lanes},
    destination,
    domain::{clock::Clock, delivery::Lease, event::Kept, name::Name, plan::Plan},
    log::{Format, Log},
    metrics::{Labels, Metrics},
    provider,
    receive::{
        Dispatch, FrontDoor,
        server::{self, Limits, Stage},
    },
    route::Rules,
    store::{self, Store, StoreError},
    tasks,
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

mod dev;

/// What `serve` was told.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The rules file.
    pub config: PathBuf,
    /// Whether destinations are replaced by a sink, and data goes to a temporary folder.
    pub dev: bool,
}

/// Why the gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The rules file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (`{key}`): {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Where the rules file says it.
        key: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// `--dev` where it must not be.
    #[error("--dev is refused {0}")]
    Dev(#[from] dev::DevRefused),
    /// A part that runs as long as the gateway has ended by itself.
    #[error("{0} ended, and nothing can be taken without it; the log says more")]
    Ended(&'static str),
    /// The system refused something else.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// How often old events are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
const EXPIRE_PAUSE: Duration = Duration::from_millis(20);

/// How long the start waits for deliveries that are parked or taken up again; a great many go on beside the rest.
const SERVE_WAIT: Duration = Duration::from_secs(1);

/// Runs the gateway until it is told to stop, by SIGTERM or SIGINT. A second signal ends it at once.
///
/// # Errors
/// Why it does not run.
pub async fn serve(options: ServeOptions, format: Format) -> Result<(), ServeError> {
    let log = Log::start(format)?;
    let variable = |name: &str| std::env::var(name).ok();
    let served = match options.dev {
        false => run(config::load(&options.config, &variable, Unset::Error)?, None, &log).await,
        true => {
            let mut dev = dev::Dev::prepare(&variable)?;
            let loaded = dev.adapt(config::load(&options.config, &variable, Unset::Dev)?)?;
            run(loaded, Some(dev), &log).await
        }
    };
    log.close();
    served
}

async fn run(loaded: Loaded, dev: Option<dev::Dev>, log: &Log) -> Result<(), ServeError> {
    let Loaded { mut config, warnings } = loaded;
    let mut signals = Signals::new()?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let clock = Clock::system();
    let metrics = Arc::new(Metrics::new(&labels(&config)));
    log.count_dropped(metrics.log_dropped());
    metrics.set_config_rules(config.rules.rules.len());

    let public = listen(&mut config.listen, "server.listen", dev.is_some())?;
    let operators = listen(&mut config.admin.listen, "server.admin", dev.is_some())?;
    let store = store::open(&config.store, clock.clone(), Arc::clone(&metrics))?;
    let given = config.admin.token.clone().or_else(|| dev.as_ref().and_then(dev::Dev::token));
    let token = match given {
        Some(token) => token,
        None => store::token::read_or_make(&config.store.path)?,
    };
    let names: Vec<Name> = config.destinations.iter().map(|destination| destination.name.clone()).collect();
    let sink = dev.is_some().then(|| DevSink::new(&names));
    if dev.is_some() {
        dev::replace_destinations(&mut config);
    }

    let mut serving = tasks::spawn(serve_only(Arc::clone(&store), names.clone()));
    let is_served = tokio::time::timeout(SERVE_WAIT, &mut serving).await.is_ok();
    let lanes = Lanes::start(lanes(&config), Arc::clone(&store), clock.clone(), Arc::clone(&metrics));
    if !is_served {
        let (lanes, names) = (Arc::clone(&lanes), names.clone());
        tasks::spawn(async move {
            if serving.await.is_ok() {
                names.iter().for_each(|name| lanes.wake(name));
            }
        });
    }
    let (draining, is_draining) = watch::channel(false);
    let (stage, stages) = watch::channel(Stage::Open);
    let rules = Arc::new(config.rules.clone());
    let admin = Arc::new(Admin {
        planner: Arc::new(InForce(Arc::clone(&rules))),
        access: Access::new(&token, config.admin.listen, config.admin.hosts.clone()),
        store: Arc::clone(&store),
        lanes: Arc::clone(&lanes),
        destinations: names,
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
        draining: is_draining,
        sink,
    });
    let operators = tasks::spawn(admin::server::serve(operators, admin));
    let mut expiry = tasks::spawn(expire(Arc::clone(&store)));
    let sources = config.sources.iter().map(|source| (source.receive.clone(), source.provider.clone())).collect();
    let dispatch = Arc::new(ToLanes(Arc::clone(&lanes)));
    let door = Arc::new(FrontDoor::new(sources, rules, Arc::clone(&store), dispatch, clock.clone(), metrics));
    let mut public = tasks::spawn(server::serve(public, door, Limits::default(), clock, stages));
    tracing::info!(listen = %config.listen, admin = %config.admin.listen, store = %config.store.path.display(), version = env!("CARGO_PKG_VERSION"), "ready");
    if let Some(dev) = &dev {
        dev.announce(&config);
    }

    tokio::select! {
        () = signals.next() => {}
        _ = &mut public => return Err(ServeError::Ended("the public listener")),
        _ = &mut expiry => return Err(ServeError::Ended("the store")),
    }
    tracing::info!("stopping: open requests and attempts end first");
    draining.send_replace(true);
    stage.send_replace(Stage::Draining);
    let stopped = stop(config.drain_delay, stage, public, &lanes, store.as_ref());
    let finished = tokio::select! {
        () = stopped => true,
        () = signals.next() => false,
    };
    expiry.abort();
    operators.abort();
    if finished {
        tracing::info!("stopped");
    } else {
        tracing::warn!("second signal: stopped at once; what was in flight is tried again at the next start");
    }
    Ok(())
}

/// Requests first, then attempts, then the store.
async fn stop(delay: Duration, stage: watch::Sender<Stage>, public: JoinHandle<()>, lanes: &Lanes, store: &dyn Store) {
    tokio::time::sleep(delay).await;
    stage.send_replace(Stage::Closing);
    if let Err(error) = public.await {
        tracing::error!(%error, "the public listener ended badly");
    }
    lanes.drain().await;
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the store did not close cleanly; it recovers at the next start");
    }
}

fn labels(config: &Config) -> Labels {
    Labels {
        sources: config.sources.iter().map(|source| source.receive.name.clone()).collect(),
        destinations: config.destinations.iter().map(|destination| destination.name.clone()).collect(),
        rules: config.rules.rules.iter().map(|rule| rule.name.clone()).collect(),
    }
}

fn lanes(config: &Config) -> Vec<Lane> {
    let lane = |destination: &config::Destination| Lane {
        name: destination.name.clone(),
        policy: destination.policy.clone(),
        destination: destination::build(&destination.name, destination.settings.clone()),
    };
    config.destinations.iter().map(lane).collect()
}

/// Binds and puts the port that was really taken into `address`. With `--dev` a port in use is replaced by a free one.
fn listen(address: &mut SocketAddr, key: &'static str, dev: bool) -> Result<TcpListener, ServeError> {
    let bound = match server::bind(*address) {
        Err(error) if dev && error.kind() == io::ErrorKind::AddrInUse => server::bind(SocketAddr::new(address.ip(), 0)),
        bound => bound,
    };
    let listener = bound.map_err(|cause| ServeError::Listen { address: *address, key, cause })?;
    *address = listener.local_addr()?;
    Ok(listener)
}

/// Tells the store which destinations there are: what waits for any other is parked.
async fn serve_only(store: Arc<dyn Store>, destinations: Vec<Name>) {
    match store.serve(destinations).await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => tracing::error!(%error, "what waits for removed destinations could not all be parked"),
    }
}

async fn expire(store: Arc<dyn Store>) {
    loop {
        let pause = match store.expire().await {
            Ok(step) if step.more => EXPIRE_PAUSE,
            Ok(_) => EXPIRE_EVERY,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "old events could not be removed; tried again");
                EXPIRE_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Plans what is released.
struct InForce(Arc<Rules>);

impl Planner for InForce {
    fn plan(&self, kept: Kept) -> Plan {
        self.0.plan(&provider::restore(kept))
    }
}

/// Hands what the front door stored to the lanes.
struct ToLanes(Arc<Lanes>);

impl Dispatch for ToLanes {
    fn dispatch(&self, leases: Vec<Lease>, deferred: &[Name]) {
        self.0.push(leases);
        for destination in deferred {
            self.0.wake(destination);
        }
    }
}

struct Signals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let [term, interrupt, hangup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Self { term: term?, interrupt: interrupt?, hangup: hangup? })
    }

    /// The next one that stops the gateway. Who sends SIGHUP means a reload, and certainly no end.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => tracing::warn!("SIGHUP: the rules file is not read again while running yet; restart to take it"),
            }
        }
    }
}

/// The rules file: given, or of the environment, or `rules.yaml`.
pub fn config_path(given: Option<&Path>) -> PathBuf {
    let of_environment = || std::env::var_os("HOOKGATE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.map(Path::to_path_buf).or_else(of_environment).unwrap_or_else(|| PathBuf::from("rules.yaml"))
}

//! Wiring: a configuration becomes a running gateway, and a running gateway comes to an orderly stop.

use crate::{
    admin::{self, Access, Admin, Gateway, bulks::Bulks, dev_sink::DevSink},
    config::{self, ConfigError, Files, Loaded, Unset},
    deliver::lanes::Lanes,
    domain::{
        clock::{Clock, Instant},
        delivery::{Lease, Seq},
        name::Name,
        order::OrderKey,
    },
    log::{Format, Log},
    metrics::Metrics,
    provider,
    receive::{
        Dispatch, FrontDoor, Waiting,
        server::{self, Stage},
    },
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

mod compare;
mod dev;
mod explain;
mod follow;
mod history;
mod inherited;
mod reload;

use history::{Cause, History, InForce};
use reload::{Destinations, Reloader, labels, names, sources};

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
    /// The service manager passed something else than one socket to listen on.
    #[error("{0}")]
    Inherited(#[from] inherited::InheritedError),
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

/// Runs the gateway until it is told to stop, by SIGTERM or SIGINT. A second signal ends it at once.
///
/// # Errors
/// Why it does not run.
pub async fn serve(options: ServeOptions, format: Format) -> Result<(), ServeError> {
    let inherited = inherited::listener()?;
    let log = Log::start(format)?;
    let variable = |name: &str| std::env::var(name).ok();
    let unset = if options.dev { Unset::Dev } else { Unset::Error };
    let mut files = Files::default();
    let loaded = config::load_noting(&options.config, &variable, unset, &mut files)?.rehearsed()?;
    let dev = if options.dev { Some(dev::Dev::prepare(&variable, &loaded.config)?) } else { None };
    let served = run(loaded, (options.config, files), inherited, dev, &log).await;
    log.close();
    served
}

async fn run(
    loaded: Loaded,
    (file, files): (PathBuf, Files),
    inherited: Option<std::net::TcpListener>,
    dev: Option<dev::Dev>,
    log: &Log,
) -> Result<(), ServeError> {
    let Loaded { config: at_start, warnings, texts } = loaded;
    let mut config = at_start.clone();
    if let Some(dev) = &dev {
        dev.adapt(&mut config);
    }
    let mut signals = Signals::new()?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let clock = Clock::system();
    let metrics = Arc::new(Metrics::new(&labels(&config)));
    log.count_dropped(metrics.log_dropped());

    let public = match inherited {
        Some(listener) => {
            config.listen = listener.local_addr()?;
            TcpListener::from_std(listener)?
        }
        None => listen(&mut config.listen, "server.listen", dev.is_some())?,
    };
    let operators = listen(&mut config.admin.listen, "server.admin", dev.is_some())?;
    let store = store::open(&config.store, clock.clone(), Arc::clone(&metrics))?;
    let given = config.admin.token.clone().or_else(|| dev.as_ref().and_then(dev::Dev::token));
    let token = match given {
        Some(token) => token,
        None => store::token::read_or_make(&config.store.path)?,
    };
    let names = names(&config);
    let sink = dev.is_some().then(|| Arc::new(DevSink::new(&names)));
    if dev.is_some() {
        let admin = config.admin.listen;
        dev::replace_destinations(&mut config, admin);
    }

    let mut destinations = Destinations::default();
    let paused = store.paused().await?;
    let lanes = destinations.lanes(&config);
    let lanes = Lanes::start(lanes, paused, Arc::clone(&store), provider::restore, clock.clone(), Arc::clone(&metrics));
    reload::serve(&store, &lanes, names).await;
    let dispatch = Arc::new(ToLanes(Arc::clone(&lanes)));
    let rules = Arc::new(config.rules.clone());
    let door = Arc::new(FrontDoor::new(sources(&config), rules, Arc::clone(&store), dispatch, clock.clone(), Arc::clone(&metrics)));
    let (count, at) = (config.rules.rules.len(), clock.now());
    metrics.config_taken(count, at);
    let in_force = InForce { texts, rules: count, warnings: reload::json_of(&warnings), hash: files.hash(), at };
    let reloader = Arc::new(Reloader {
        file,
        door: Arc::clone(&door),
        lanes: Arc::clone(&lanes),
        store: Arc::clone(&store),
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
        dev: sink.clone().map(|sink| reload::Dev { sink, admin: config.admin.listen }),
        subject: explain::InForce::new(config.subject()),
        at_start,
        destinations: destinations.into(),
        history: History::new(in_force, files.of_taken()).into(),
    });
    let (draining, is_draining) = watch::channel(false);
    let (stage, stages) = watch::channel(Stage::Open);
    let gateway = Arc::clone(&reloader) as Arc<dyn Gateway>;
    let bulks = Bulks::new(Arc::clone(&store), Arc::clone(&gateway), Arc::clone(&lanes), Arc::clone(&metrics), clock.clone());
    let bulks = Arc::new(bulks);
    let admin = Arc::new(Admin {
        bulks: Arc::clone(&bulks),
        gateway,
        access: Access::new(&token, config.admin.listen, config.admin.hosts.clone()),
        store: Arc::clone(&store),
        lanes: Arc::clone(&lanes),
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
        draining: is_draining,
        sink,
    });
    let operators = tasks::spawn(admin::server::serve(operators, admin));
    let mut expiry = tasks::spawn(expire(Arc::clone(&store)));
    let mut replays = tasks::spawn(async move { bulks.run().await });
    let mut watcher = tasks::spawn(follow::follow(Arc::clone(&reloader)));
    let (mut are_replayed, mut is_watched) = (true, true);
    let mut public = tasks::spawn(server::serve(public, door, config.public.clone(), clock, stages));
    tracing::info!(listen = %config.listen, admin = %config.admin.listen, store = %config.store.path.display(), version = env!("CARGO_PKG_VERSION"), "ready");
    if let Some(dev) = &dev {
        dev.announce(&config);
    }

    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Told::Stop => break,
                Told::Reload => {
                    // What came of it is in the log and in the metrics.
                    drop(Arc::clone(&reloader).begin(Cause::Signal));
                }
            },
            _ = &mut public => return Err(ServeError::Ended("the public listener")),
            _ = &mut replays, if are_replayed => {
                are_replayed = false;
                tracing::error!("bulk replays have ended by themselves, and go on after a restart");
            }
            _ = &mut watcher, if is_watched => {
                is_watched = false;
                tracing::error!("the rules file is looked at no more, and is read when the gateway is told, until a restart");
            }
            _ = &mut expiry => return Err(ServeError::Ended("the store")),
        }
    }
    tracing::info!("stopping: open requests and attempts end first");
    draining.send_replace(true);
    replays.abort();
    watcher.abort();
    stage.send_replace(Stage::Draining);
    let stopped = stop(config.drain_delay, stage, public, &lanes, store.as_ref());
    let finished = tokio::select! {
        () = stopped => true,
        () = signals.stop() => false,
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

/// Hands what the front door stored to the lanes.
struct ToLanes(Arc<Lanes>);

impl Dispatch for ToLanes {
    fn dispatch(&self, leases: Vec<Lease>, deferred: &[Name]) {
        self.0.push(leases);
        for destination in deferred {
            self.0.wake(destination);
        }
    }

    fn watch(&self, destination: &Name, seq: Seq, order: Option<OrderKey>, until: Instant) -> Waiting {
        Box::pin(self.0.watch(destination, seq, order, until).outcome())
    }
}

/// What a signal says.
enum Told {
    Stop,
    Reload,
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

    /// The next one.
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.term.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// The next one that stops the gateway.
    async fn stop(&mut self) {
        while let Told::Reload = self.next().await {
            tracing::warn!("SIGHUP: the gateway is stopping, and the rules file is not read again");
        }
    }
}

/// The rules file: given, or of the environment, or `rules.yaml`.
pub fn config_path(given: Option<&Path>) -> PathBuf {
    let of_environment = || std::env::var_os("HOOKGATE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.map(Path::to_path_buf).or_else(of_environment).unwrap_or_else(|| PathBuf::from("rules.yaml"))
}

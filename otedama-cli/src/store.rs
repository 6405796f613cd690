//! Which journals a command is about, and how it says how far it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use otedama_pool::PoolName;
use otedama_pool::journal::{JournalError, Progress, Snapshot};
use tracing::info;

use crate::args::StoreArgs;
use crate::config::{Config, DEFAULT_STORE, Part, PoolConfig};
use crate::failure::Failure;

/// A journal's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) path: PathBuf,
    /// The only pool of it that matters; all of them if `None`.
    pub(crate) pool: Option<PoolName>,
    /// What to do if there is none.
    hint: &'static str,
}

const NOT_SAID: &str = "say where it is with --store PATH or --config FILE";
const WRONG: &str = "look at the path";
const NOT_YET: &str = "`otedama serve` makes it";

impl Store {
    /// All journals that the arguments name, whether they are there or not; at least one.
    pub(crate) fn all(args: &StoreArgs) -> Result<Vec<Self>, Failure> {
        let pool = args.pool.as_deref().map(PoolName::new);
        let Some(file) = &args.config else {
            let (path, hint) = match &args.store {
                Some(path) => (path.clone(), WRONG),
                None => (PathBuf::from(DEFAULT_STORE), NOT_SAID),
            };
            return Ok(vec![Self { path, pool, hint }]);
        };
        let config = Config::load(Some(file), Part::All)?;
        let wanted = |one: &&PoolConfig| args.pool.as_ref().is_none_or(|name| one.name == *name);
        let of = |one: &PoolConfig| Self { path: one.store.clone(), pool: pool.clone(), hint: NOT_YET };
        let stores: Vec<_> = config.pools.iter().filter(wanted).map(of).collect();
        if !stores.is_empty() {
            return Ok(stores);
        }
        Err(config
            .refuse(match &args.pool {
                Some(name) if !config.pools.is_empty() => {
                    let known: Vec<_> = config.pools.iter().map(|one| one.name.as_str()).collect();
                    format!("configures no pool {name}; it has {}", known.join(", "))
                }
                _ => "configures no pool".into(),
            })
            .into())
    }

    /// The one journal that the arguments name.
    pub(crate) fn one(args: &StoreArgs) -> Result<Self, Failure> {
        let [store] = <[Self; 1]>::try_from(Self::all(args)?).map_err(|stores| {
            let stores = stores.len();
            Failure::Usage(format!("the configuration has {stores} pools: say which with --pool NAME"))
        })?;
        Ok(store)
    }

    pub(crate) fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// The journal as it is now, whether or not a pool is writing it.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Failure> {
        if self.is_there() { self.read(Snapshot::open(&self.path)) } else { Err(self.absent()) }
    }

    /// The pools of the journal that matter.
    pub(crate) fn pools(&self, snapshot: &Snapshot) -> Result<Vec<PoolName>, Failure> {
        let pools = self.read(snapshot.pools())?;
        match &self.pool {
            None => Ok(pools),
            Some(wanted) if pools.contains(wanted) => Ok(vec![wanted.clone()]),
            // A pool that has not done anything yet.
            Some(_) if self.hint == NOT_YET => Ok(Vec::new()),
            Some(wanted) => {
                let known: Vec<_> = pools.iter().map(PoolName::as_str).collect();
                let (path, known) = (self.path.display(), known.join(", "));
                Err(Failure::Usage(format!("the journal {path} has no pool {wanted}; it has {known}")))
            }
        }
    }

    /// What was read of the journal, or why it could not be.
    pub(crate) fn read<T>(&self, read: Result<T, JournalError>) -> Result<T, Failure> {
        read.map_err(|error| failed(&self.path, &error))
    }

    /// What is said of a journal that is not there.
    pub(crate) fn absent(&self) -> Failure {
        Failure::Usage(format!("there is no journal {}: {}", self.path.display(), self.hint))
    }
}

/// The error of a journal's file as the end of a command.
pub(crate) fn failed(path: &Path, error: &JournalError) -> Failure {
    let (path, error) = (path.display().to_string(), error.to_string());
    Failure::Failed(if error.contains(&path) { error } else { format!("{path}: {error}") })
}

/// Nothing is said of what takes no longer than this.
const SILENT: Duration = Duration::from_secs(2);
/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Says on standard error how far something is.
#[derive(Debug)]
pub(crate) struct Reporter {
    /// In the present participle, with its object.
    task: String,
    next: Instant,
}

impl Reporter {
    /// `task` begins now.
    pub(crate) fn new(doing: &str, path: &Path) -> Self {
        Self { task: format!("{doing} {}", path.display()), next: Instant::now() + SILENT }
    }

    /// Says how far it is, if it takes long and that was not said just now.
    pub(crate) fn at(&mut self, Progress { done, total }: Progress) {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + PAUSE;
            let percent = u128::from(done) * 100 / u128::from(total.max(1));
            info!("{}: {percent} %", self.task);
        }
    }
}

//! A miner: a rig on a connection, and what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use otedama_core::{Algorithm, HashRate, Weight};
use otedama_gpu::calibrate::Choice;
use otedama_gpu::cpu::{self, CpuError, Priority, Report};
use otedama_gpu::{Rig, pages};
use otedama_stratum::net::{Client, CloseHandle, Event, Options};
use tracing::{debug, error, info, warn};

use crate::cache;
use crate::config::Affinity;
use crate::failure::Failure;

/// A rig whose shares go to a pool.
#[derive(Debug)]
pub(crate) struct Miner {
    client: Client,
    watch: Watch,
}

/// A view of a miner from another thread; clones look at the same one.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rig: Rig,
    begin: Instant,
    accepted: AtomicU64,
    rejected: AtomicU64,
    lost: AtomicU64,
    had_job: AtomicBool,
}

/// How the processors of this machine are to be used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processor {
    /// How many threads; one for each logical CPU, or each of the affinity, if absent.
    pub(crate) threads: Option<usize>,
    /// Where they run; anywhere if absent.
    pub(crate) affinity: Option<Affinity>,
    /// How much they yield to others.
    pub(crate) priority: Priority,
}

/// What a miner has done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// Shares that the pool accepted.
    pub(crate) accepted: u64,
    /// Shares that it refused.
    pub(crate) rejected: u64,
    /// Shares that were found but not sent: their connection was gone.
    pub(crate) lost: u64,
    /// Hashes that were tried.
    pub(crate) hashes: u64,
    /// How long that took, with all the waiting.
    pub(crate) elapsed: Duration,
}

impl Summary {
    /// The average over the whole time.
    pub(crate) fn rate(&self) -> HashRate {
        HashRate::from_work(Weight::new(self.hashes.into()), self.elapsed)
    }

    /// The same in whole hashes per second.
    pub(crate) fn whole_rate(&self) -> u64 {
        let rate = u128::from(self.hashes) * 1000 / self.elapsed.as_millis().max(1);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

impl Miner {
    /// A miner of an algorithm, whose kernel is chosen at once. It connects once it [runs](Self::run).
    pub(crate) fn new(
        mut options: Options,
        algorithm: Algorithm,
        processor: Processor,
    ) -> Result<Self, Failure> {
        let failed = |error: &dyn ToString| Failure::Failed(error.to_string());
        #[cfg(feature = "randomx")]
        let processor = processor.fed_by_caches(algorithm);
        let device = processor.device()?;
        let choice = device.choose(algorithm).map_err(|error| failed(&error))?;
        options.session.hash_rate = choice.and_then(|choice| expected(&choice, device.threads()));
        let client = Client::new(options);
        let shares = client.submitter();
        let rig = Rig::builder(vec![Box::new(device)])
            .on_failure(|device, failure| error!("device {} is out of service: {failure}", device.name))
            .start(move |share| shares.submit(share))
            .map_err(|error| failed(&error))?;
        let shared = Shared {
            rig,
            begin: Instant::now(),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            had_job: AtomicBool::new(false),
        };
        Ok(Self { client, watch: Watch(Arc::new(shared)) })
    }

    /// The view of it.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// What ends it.
    pub(crate) fn close_handle(&self) -> CloseHandle {
        self.client.close_handle()
    }

    /// Mines until it is closed, whatever becomes of the connection.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Self { client, watch: Watch(shared) } = self;
        for event in client {
            let event = event.map_err(|error| Failure::Failed(error.to_string()))?;
            shared.handle(event);
        }
        shared.rig.pause();
        Ok(())
    }
}

impl Processor {
    /// No more threads than the caches feed, unless it was said how many or where.
    #[cfg(feature = "randomx")]
    fn fed_by_caches(self, algorithm: Algorithm) -> Self {
        let free = self.threads.is_none() && self.affinity.is_none() && algorithm == Algorithm::RANDOMX;
        if free { Self { threads: Some(crate::cmd::randomx::fed_threads()), ..self } } else { self }
    }

    fn device(self) -> Result<cpu::Cpu, Failure> {
        let Self { threads, affinity, priority } = self;
        let mut builder =
            cpu::Builder::new().priority(priority).calibration(cache::calibration()).on_report(say);
        #[cfg(feature = "randomx")]
        {
            builder = builder.scanners(crate::cmd::randomx::store());
        }
        if let Some(threads) = threads {
            builder = builder.threads(threads);
        }
        builder = match affinity {
            None => builder,
            Some(Affinity::Auto) => builder.auto_affinity(),
            Some(Affinity::Listed(cpus)) => builder.affinity(cpus),
        };
        builder.build().map_err(|error| match error {
            CpuError::Threads(_) | CpuError::NoSuchCpu { .. } => Failure::Usage(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        })
    }
}

/// What the fastest kernel made on one thread when it was measured, on all threads.
fn expected(choice: &Choice, threads: usize) -> Option<HashRate> {
    let (_, one) = choice.rates.first()?;
    let threads = u32::try_from(threads).map_or(f64::MAX, f64::from);
    Some(HashRate::from_hashes_per_second(one.hashes_per_second() * threads))
}

/// Logs how the processor is going to work.
fn say(report: &Report) {
    match report {
        Report::Kernel(choice) => {
            info!("kernel {choice}");
            if let Some(why) = &choice.unkept {
                debug!("the measurement was not kept: {why}");
            }
        }
        Report::Memory { algorithm, backing, threads } => {
            let peak = pages::peak_memory().map(|bytes| format!(", peak memory so far {}", mib(bytes)));
            let (len, peak) = (mib(u64::try_from(backing.len).unwrap_or(u64::MAX)), peak.unwrap_or_default());
            let whose =
                if *threads == 1 { "1 thread".to_owned() } else { format!("each of {threads} threads") };
            info!("{algorithm} works in {len} on {whose}: {backing}{peak}");
            if let Some(command) = backing.improvement(*threads) {
                info!("better pages for the next start: {command}");
            }
        }
        _ => {}
    }
}

/// Bytes for people.
pub(crate) fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

impl Watch {
    /// What was done until now.
    pub(crate) fn summary(&self) -> Summary {
        let Shared { rig, begin, accepted, rejected, lost, .. } = &*self.0;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Summary {
            accepted: read(accepted),
            rejected: read(rejected),
            lost: read(lost),
            hashes: rig.stats().devices.iter().map(|device| device.hashes).sum(),
            elapsed: begin.elapsed(),
        }
    }

    /// The hash rate of the last ten seconds.
    pub(crate) fn hash_rate(&self) -> HashRate {
        self.0.rig.hash_rate()
    }

    /// Whether a pool ever gave it something to do.
    pub(crate) fn had_job(&self) -> bool {
        self.0.had_job.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn handle(&self, event: Event) {
        let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        match event {
            Event::Connected(url) => info!("connected to {url}"),
            Event::Disconnected(url, why) => {
                self.rig.pause();
                warn!("not connected to {url}: {why}");
            }
            Event::Job(job) => {
                debug!("job {} at height {:?}", job.id(), job.body().height);
                self.had_job.store(true, Ordering::Relaxed);
                self.rig.assign(job);
            }
            Event::Accepted(id) => {
                count(&self.accepted);
                debug!("share {id} accepted");
            }
            Event::Rejected(id, why) => {
                count(&self.rejected);
                warn!("share {id} rejected: {why}");
            }
            Event::Dropped(why) => {
                count(&self.lost);
                debug!("a share was not sent: {why}");
            }
            Event::Message(text) => info!("the pool says: {text}"),
            Event::RedirectRefused { host, port } => {
                warn!("the pool wants this miner to go to {host:?}:{port:?}, which was refused");
            }
            _ => {}
        }
    }
}

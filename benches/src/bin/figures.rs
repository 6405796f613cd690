//! `make figures`: the speed of what is not a kernel, one line `NAME VALUE UNIT` for each row.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use otedama_benches::ack::{Acks, acknowledge};
use otedama_benches::binary::{megabytes, start_times};
use otedama_benches::books::{SHARES, bytes_per_share, verify_time};
use otedama_benches::disk::fsync_time;
use otedama_benches::ethash;
use otedama_benches::journal::{BATCH, durable_shares};
use otedama_benches::limit::Limit;
use otedama_benches::measure::rate;
use otedama_benches::program::{Failure, Measured, run};
use otedama_benches::restart::restart_times;
use otedama_benches::results::{Row, Table, quantity};
use otedama_benches::submit::{Submits, hashing_alone};

/// Something that is measured.
struct Figure {
    name: &'static str,
    unit: &'static str,
    /// What it should reach, for people.
    target: &'static str,
    measure: fn() -> Result<Value, Failure>,
}

/// What was measured.
struct Value {
    value: f64,
    /// With what it was compared.
    baseline: String,
    limit: Option<Limit>,
}

const FIGURES: [Figure; 17] = [
    Figure { name: "v1-submit", unit: "shares/s", target: "at least 250000", measure: v1_submit },
    Figure { name: "journal", unit: "shares/s", target: "at least 500000", measure: journal },
    Figure { name: "ack-p99", unit: "ms", target: "below 10", measure: ack_p99 },
    Figure { name: "ledger-verify", unit: "s", target: "below 20", measure: ledger_verify },
    Figure { name: "restart-listening", unit: "s", target: "below 2", measure: restart_listening },
    Figure { name: "restart-jobs", unit: "s", target: "below 2", measure: restart_jobs },
    Figure { name: "disk-per-share-live", unit: "bytes", target: "stated", measure: disk_live },
    Figure { name: "disk-per-share-rolled", unit: "bytes", target: "stated", measure: disk_rolled },
    Figure { name: "serve-start", unit: "ms", target: "below 100", measure: serve_start },
    Figure { name: "binary-size", unit: "MB", target: "at most 15", measure: binary_size },
    Figure { name: "ethash-light", unit: "H/s", target: "at least 1500", measure: ethash_light },
    Figure { name: "ethash-light-450", unit: "H/s", target: "at least 600", measure: ethash_light_450 },
    Figure { name: "ethash-cache-450", unit: "s", target: "at most 1.1", measure: ethash_cache_450 },
    Figure { name: "ethash-full", unit: "H/s", target: "at least 60000", measure: ethash_full },
    Figure { name: "ethash-dataset", unit: "s", target: "stated", measure: ethash_dataset },
    Figure {
        name: "kawpow-precheck",
        unit: "shares/s",
        target: "at least 1000000",
        measure: kawpow_precheck,
    },
    Figure { name: "kawpow-light", unit: "ms", target: "at most 4", measure: kawpow_light },
];

fn main() -> ExitCode {
    run(Table::Figures, &FIGURES, |figure| figure.name, Figure::measured)
}

impl Figure {
    fn measured(&self) -> Measured {
        let found = (self.measure)()?;
        let printed = format!("{} {}", rounded(found.value), self.unit);
        let row = Row {
            name: self.name,
            result: printed.clone(),
            beside: self.target.to_owned(),
            baseline: found.baseline,
            reached: found.limit.as_ref().map(|limit| self.reached(found.value, limit.rate)),
            limit: found.limit,
        };
        Ok(Some((printed, row)))
    }

    /// The share of the limit that was reached: what takes the shortest time or place comes nearest.
    fn reached(&self, value: f64, limit: f64) -> f64 {
        if self.unit.ends_with("/s") { value / limit } else { limit / value }
    }
}

/// Whole numbers where they say enough.
fn rounded(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Shares of a V1 connection that one thread parses, rebuilds, hashes, judges and answers.
fn v1_submit() -> Result<Value, Failure> {
    let mut submits = Submits::new();
    if submits.run(1) != submits.run(1) || submits.run(1) == 0 {
        return Err("shares were refused".into());
    }
    // A whole batch is the smallest step.
    let batch = submits.run(1);
    let value = rate(Box::new(|count| {
        assert_eq!(submits.run(count * batch), count * batch, "every share is accepted");
    }));
    let hashing = rate(Box::new(hashing_alone));
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let value = value * batch as f64;
    let limit =
        Limit { rate: hashing, unit: "shares/s", why: "the hashing alone, on this machine".to_owned() };
    let baseline = format!("hashing alone: {}", quantity(hashing, "shares/s"));
    Ok(Value { value, baseline, limit: Some(limit) })
}

/// Shares that the SQLite journal makes durable, in batches.
fn journal() -> Result<Value, Failure> {
    let (value, bare) = durable_shares()?;
    let why = format!("one write of 48 KiB and fdatasync for {BATCH} shares, on this disk, median");
    let baseline = format!("bare rows in batches of {BATCH}, synchronous=FULL: {}", quantity(bare, "rows/s"));
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let rate = BATCH as f64 * 1e3 / fsync_time()?;
    Ok(Value { value, baseline, limit: Some(Limit { rate, unit: "shares/s", why }) })
}

/// Shares per second that the acknowledgement is measured under, and what is tried where that does not hold.
const OFFERED: [u64; 8] = [250_000, 225_000, 200_000, 175_000, 150_000, 125_000, 100_000, 50_000];
/// The part of the offered rate that must be answered in time, and none refused, for the rate to hold.
const HELD: f64 = 0.99;
/// Rounds at one rate: a disk that stands still for a moment spoils one.
const ACK_ROUNDS: usize = 3;

/// How long a share waits for its answer, with everything but sockets: the round in the middle at the highest rate that
/// most rounds hold.
fn ack_p99() -> Result<Value, Failure> {
    for offered in OFFERED {
        let Some(mut rounds) = ack_rounds(offered) else { continue };
        rounds.sort_by(|one, other| one.p99.total_cmp(&other.p99));
        let all = rounds.iter().map(|acks| format!("{:.2}", acks.p99)).collect::<Vec<_>>().join(", ");
        let worst = rounds.iter().map(|acks| acks.worst).fold(0.0, f64::max);
        let Some(Acks { rate, median, p99, core_load, .. }) = rounds.get(ACK_ROUNDS / 2) else { continue };
        let fsync = fsync_time()?;
        let why = "one write of 48 KiB and fdatasync, on this disk, median".to_owned();
        let baseline = format!(
            "at {} for 10 s, rounds {all} ms; median {median:.2} ms, worst of all {worst:.1} ms; the core uses {:.0} % \
             of a processor",
            quantity(*rate, "shares/s"),
            100.0 * core_load
        );
        return Ok(Value { value: *p99, baseline, limit: Some(Limit { rate: fsync, unit: "ms", why }) });
    }
    Err("no rate holds".into())
}

/// The rounds at this rate, if most of them hold it.
fn ack_rounds(offered: u64) -> Option<Vec<Acks>> {
    let (mut rounds, mut held) = (Vec::new(), 0);
    for _ in 0..ACK_ROUNDS {
        match acknowledge(offered, Duration::from_secs(10)) {
            Ok(acks) => {
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let holds = acks.refused == 0 && acks.rate >= HELD * offered as f64;
                held += usize::from(holds);
                if !holds {
                    let Acks { rate, refused, p99, .. } = acks;
                    eprintln!("ack-p99: a round at {offered}/s: {rate:.0}/s, {refused} refused, {p99:.1} ms");
                }
                rounds.push(acks);
            }
            Err(error) => eprintln!("ack-p99: a round at {offered}/s: {error}"),
        }
    }
    if 2 * held > ACK_ROUNDS && rounds.len() == ACK_ROUNDS {
        return Some(rounds);
    }
    eprintln!("ack-p99: {offered} shares/s do not hold in {} of {ACK_ROUNDS} rounds", ACK_ROUNDS - held);
    None
}

/// How long `otedama ledger verify` reads and adds up 10^7 live shares and a hundred blocks.
fn ledger_verify() -> Result<Value, Failure> {
    let (value, read) = verify_time()?;
    let why = "reading the file, from the page cache".to_owned();
    let baseline = "the whole process, 1000 miners, 100 blocks that credit all of them".to_owned();
    Ok(Value { value, baseline, limit: Some(Limit { rate: read, unit: "s", why }) })
}

/// How soon `otedama serve` listens whose window has 10^7 live shares.
fn restart_listening() -> Result<Value, Failure> {
    Ok(Value { value: restarted()?.0, baseline: "the whole process".to_owned(), limit: None })
}

/// How soon it has read all of them and gives out jobs.
fn restart_jobs() -> Result<Value, Failure> {
    let baseline = "the whole process, to the first job of a miner that connects at once".to_owned();
    Ok(Value { value: restarted()?.1, baseline, limit: None })
}

/// Both are measured together, once.
fn restarted() -> Result<(f64, f64), Failure> {
    static TIMES: OnceLock<(f64, f64)> = OnceLock::new();
    match TIMES.get() {
        Some(times) => Ok(*times),
        None => restart_times().map(|times| *TIMES.get_or_init(|| times)),
    }
}

/// Bytes of the file for each live share.
fn disk_live() -> Result<Value, Failure> {
    let limit = Limit { rate: 32.0, unit: "bytes", why: "the digest alone".to_owned() };
    let baseline = format!("{SHARES} shares of 1000 miners with 5 machines each, in batches of 1024");
    Ok(Value { value: per_share()?.0, baseline, limit: Some(limit) })
}

/// Bytes of the file for each share that was rolled up.
fn disk_rolled() -> Result<Value, Failure> {
    let baseline =
        format!("{SHARES} shares of 1000 miners, within three hours: one sum for each miner and day");
    Ok(Value { value: per_share()?.1, baseline, limit: None })
}

/// Both are measured together, once.
fn per_share() -> Result<(f64, f64), Failure> {
    static BYTES: OnceLock<(f64, f64)> = OnceLock::new();
    match BYTES.get() {
        Some(bytes) => Ok(*bytes),
        None => bytes_per_share().map(|bytes| *BYTES.get_or_init(|| bytes)),
    }
}

/// How soon `otedama serve` listens.
fn serve_start() -> Result<Value, Failure> {
    let (value, process) = start_times()?;
    Ok(Value { value, baseline: format!("otedama version, start to end: {process:.2} ms"), limit: None })
}

/// How large the release binary is, with default features.
fn binary_size() -> Result<Value, Failure> {
    Ok(Value { value: megabytes()?, baseline: "none".to_owned(), limit: None })
}

/// A figure of Ethash or `KawPow`.
fn plain((value, baseline, limit): (f64, String, Option<Limit>)) -> Result<Value, Failure> {
    Ok(Value { value, baseline, limit })
}

/// Verifying from the cache of the first epoch.
fn ethash_light() -> Result<Value, Failure> {
    plain(ethash::light_rate(0)?)
}

/// The same of an epoch whose cache no processor's cache holds.
fn ethash_light_450() -> Result<Value, Failure> {
    plain(ethash::light_rate(450)?)
}

/// Making that cache.
fn ethash_cache_450() -> Result<Value, Failure> {
    plain(ethash::cache_seconds(450)?)
}

/// Mining from a dataset in memory.
fn ethash_full() -> Result<Value, Failure> {
    plain(ethash::full_rate()?)
}

/// Making that dataset with two threads.
fn ethash_dataset() -> Result<Value, Failure> {
    plain(ethash::dataset_seconds()?)
}

/// Refusing shares by what they claim.
fn kawpow_precheck() -> Result<Value, Failure> {
    plain(ethash::precheck_rate()?)
}

/// Verifying a share whole.
fn kawpow_light() -> Result<Value, Failure> {
    plain(ethash::kawpow_milliseconds()?)
}

//! `otedama chaos`: a whole pool in simulation, with faults in everything.

use std::io::{self, Write as _};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use otedama_pool::sim::{Options, Run, Tally, run as simulate, shrink};
use serde_json::json;

use crate::args::ChaosArgs;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &ChaosArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let options = Options::new(args.hours);
    let options = args.bug.map_or(options, |bug| options.with_bug(bug));
    let end = args.seed.checked_add(args.seeds);
    let end = end.ok_or_else(|| Failure::Usage("there are no seeds beyond 2^64".to_owned()))?;
    let (total, broken) = play(args, end, &options, &interrupt)?;
    report(args, &total, broken)?;
    if interrupt.is_requested() {
        return Err(Failure::Interrupted);
    }
    match broken {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} of {} seeds break a promise", total.seeds))),
    }
}

/// What all seeds came to.
#[derive(Default)]
struct Total {
    seeds: u64,
    tally: Tally,
}

/// Plays all seeds on several threads; tells each broken one as soon as it is shrunk.
fn play(
    args: &ChaosArgs,
    end: u64,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<(Total, u64), Failure> {
    let threads = args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
    let (next, stop) = (AtomicU64::new(args.seed), AtomicBool::new(false));
    let (sender, runs) = mpsc::sync_channel::<Run>(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || sender.send(simulate(seed, options)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut total, mut broken, mut told) = (Total::default(), 0, Instant::now());
        for run in runs {
            total.seeds += 1;
            total.tally = total.tally.and(&run.tally);
            if run.broken.is_some() {
                broken += 1;
                if let Err(failure) = tell(args, &run, options) {
                    stop.store(true, Ordering::Relaxed);
                    return Err(failure);
                }
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                eprintln!("{} of {} seeds, {broken} broken", total.seeds, args.seeds);
            }
            stop.store(interrupt.is_requested(), Ordering::Relaxed);
        }
        Ok((total, broken))
    })
}

/// A broken promise, shrunk to what it takes.
fn tell(args: &ChaosArgs, run: &Run, options: &Options) -> Result<(), Failure> {
    let mut told = Instant::now();
    let short = shrink(run, options, &mut |actions| {
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            eprintln!("seed {} breaks a promise; shrinking it, {actions} actions left", run.seed);
        }
    });
    let (rule, what) = short.broken.as_ref().map_or(("", ""), |broken| (broken.rule, broken.what.as_str()));
    let trace: Vec<_> = short.trace.iter().map(ToString::to_string).collect();
    let mut out = io::stdout().lock();
    if args.json {
        let line = json!({ "seed": run.seed, "broken": rule, "what": what, "actions": run.trace.len(), "trace": trace });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    writeln!(out, "seed {}: broken: {rule}\n  {what}", run.seed)?;
    let deeds = short.trace.iter().filter(|action| !action.is_idle()).count();
    writeln!(out, "  {} actions, shrunk to {deeds}:", run.trace.len())?;
    for action in trace {
        writeln!(out, "  {action}")?;
    }
    Ok(())
}

fn report(args: &ChaosArgs, total: &Total, broken: u64) -> Result<(), Failure> {
    let Total { seeds, tally } = total;
    let hours = tally.micros / 3_600_000_000;
    let mut out = io::stdout().lock();
    if args.json {
        let line = json!({
            "seeds": seeds, "broken": broken, "hours": hours, "actions": tally.actions, "effects": tally.effects,
            "lives": tally.lives, "crashes": tally.crashes, "faults": tally.faults,
            "reorganisations": tally.reorganisations, "sent": tally.sent, "accepted": tally.accepted,
            "refused": tally.refused, "rolled_up": tally.rolled_up, "blocks": tally.blocks,
            "matured": tally.matured, "orphaned": tally.orphaned,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let Tally { actions, effects, lives, crashes, faults, reorganisations, .. } = tally;
    let Tally { sent, accepted, refused, rolled_up, blocks, matured, orphaned, .. } = tally;
    writeln!(out, "{seeds} seeds, {broken} broken, {hours} hours in {lives} lives of the pool")?;
    writeln!(
        out,
        "  {actions} actions, {effects} effects; {crashes} deaths, {faults} other faults, {reorganisations} branches"
    )?;
    writeln!(out, "  {sent} shares sent, {accepted} accepted, {refused} refused, {rolled_up} rolled up")?;
    writeln!(
        out,
        "  {blocks} blocks found, {matured} credited for good, {orphaned} times taken back or on no chain"
    )?;
    Ok(())
}

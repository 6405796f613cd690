//! `otedama ledger verify`: whether the books are right.

use std::io::{self, Write as _};
use std::path::Path;

use otedama_pool::PoolName;
use otedama_pool::journal::{Finding, PoolReport, Report, Snapshot};
use serde_json::json;

use crate::args::VerifyArgs;
use crate::books::Totals;
use crate::failure::Failure;
use crate::store::{Reporter, Store, failed};

pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let stores = Store::all(&args.store)?;
    let several = stores.len() > 1;
    let mut findings: usize = 0;
    for store in &stores {
        let snapshot = store.snapshot()?;
        let wanted = store.pools(&snapshot)?;
        let report = audit(&snapshot, &store.path)?;
        for pool in report.pools.iter().filter(|pool| wanted.contains(&pool.pool)) {
            print_pool(args.json, store, pool, &snapshot)?;
        }
        for finding in &report.findings {
            print_finding(args.json, several, store, finding)?;
        }
        findings += report.findings.len();
    }
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{}", json!({ "type": "result", "clean": findings == 0, "findings": findings }))?;
    } else if findings == 0 {
        writeln!(out, "clean")?;
    }
    if findings == 0 { Ok(()) } else { Err(unclean(findings)) }
}

/// Reads all of a journal and says on standard error how far that is.
pub(crate) fn audit(snapshot: &Snapshot, path: &Path) -> Result<Report, Failure> {
    let mut reporter = Reporter::new("verifying", path);
    snapshot.verify(&mut |progress| reporter.at(progress)).map_err(|error| failed(path, &error))
}

/// What a command ends with whose journal is not clean.
pub(crate) fn unclean(findings: usize) -> Failure {
    let plural = if findings == 1 { "" } else { "s" };
    Failure::Failed(format!(
        "{findings} finding{plural}: stop the pool, keep a copy of the file, and restore the latest backup that is clean"
    ))
}

fn print_pool(json: bool, store: &Store, pool: &PoolReport, snapshot: &Snapshot) -> Result<(), Failure> {
    // Balances that cannot be read are among the findings.
    let money = totals(snapshot, &pool.pool);
    let PoolReport { pool: name, shares, rolled_shares, blocks, bookings, balances, .. } = pool;
    let amount = |of: fn(&Totals) -> String| money.as_ref().map(of);
    let (rewards, credits, fees) = (
        amount(|totals| totals.rewards.to_string()),
        amount(|totals| totals.credited.to_string()),
        amount(|totals| totals.fee.to_string()),
    );
    let mut out = io::stdout();
    if json {
        let line = json!({
            "type": "pool",
            "store": store.path.display().to_string(),
            "pool": name.as_str(),
            "live_shares": shares,
            "rolled_up_shares": rolled_shares,
            "blocks": blocks,
            "bookings": bookings,
            "accounts": balances,
            "rewards": rewards,
            "credits": credits,
            "fees": fees,
        });
        writeln!(out, "{line}")?;
    } else {
        let [rewards, credits, fees] =
            [rewards, credits, fees].map(|amount| amount.unwrap_or_else(|| "unreadable".into()));
        writeln!(
            out,
            "pool {name}: {shares} live shares, {rolled_shares} rolled-up shares, {blocks} blocks, {bookings} bookings, \
             {balances} accounts, rewards {rewards}, credits {credits}, fees {fees}"
        )?;
    }
    Ok(())
}

fn totals(snapshot: &Snapshot, pool: &PoolName) -> Option<Totals> {
    Totals::of_balances(&snapshot.balances(pool).ok()?).ok()
}

fn print_finding(json: bool, several: bool, store: &Store, finding: &Finding) -> Result<(), Failure> {
    let Finding { record, problem } = finding;
    let (mut out, path) = (io::stdout(), store.path.display().to_string());
    if json {
        let line = json!({ "type": "finding", "store": path, "record": record, "problem": problem });
        writeln!(out, "{line}")?;
    } else if several {
        writeln!(out, "{path}: {record}: {problem}")?;
    } else {
        writeln!(out, "{record}: {problem}")?;
    }
    Ok(())
}

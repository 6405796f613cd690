//! `otedama ledger export`: the books for other programs.

use std::io;
use std::ops::ControlFlow;

use otedama_core::Amount;
use otedama_pool::PoolName;
use otedama_pool::journal::{BlockRecord, BlockState, Booked, ShareRecord, ShareTotal, Snapshot};
use otedama_pool::ledger::{LedgerAccount, Transfer};

use crate::args::{ExportArgs, What};
use crate::failure::Failure;
use crate::store::Store;
use crate::table::{Cell, Table};

pub(crate) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let columns = columns(args.what);
    let stores = Store::all(&args.store)?;
    let snapshots: Vec<_> = stores.iter().map(Store::snapshot).collect::<Result<_, _>>()?;
    let mut table = Table::new(args.format, columns)?;
    for (store, snapshot) in stores.iter().zip(snapshots) {
        for pool in store.pools(&snapshot)? {
            export(args.what, store, &snapshot, &pool, &mut table)?;
        }
    }
    Ok(table.finish()?)
}

const fn columns(what: What) -> &'static [&'static str] {
    match what {
        What::Bookings => &[
            "pool",
            "time",
            "block",
            "height",
            "event",
            "state",
            "from",
            "from_address",
            "to",
            "to_address",
            "amount",
        ],
        What::Balances => &["pool", "account", "address", "amount"],
        What::Blocks => &[
            "pool",
            "time",
            "block",
            "height",
            "state",
            "event",
            "finder",
            "worker",
            "reward",
            "fee",
            "miners",
            "paid_by_coinbase",
        ],
        What::Shares => {
            &["pool", "time", "node", "boot", "sequence", "address", "worker", "weight", "digest", "height"]
        }
        What::Totals => &["pool", "day", "address", "shares", "weight"],
    }
}

fn export(
    what: What,
    store: &Store,
    snapshot: &Snapshot,
    pool: &PoolName,
    table: &mut Table,
) -> Result<(), Failure> {
    match what {
        What::Bookings => {
            let mut rows = Rows::new(|booked: &Booked| booking(pool, booked, table));
            store.read(snapshot.booked(pool, &mut |booked| rows.add(booked)))?;
            rows.finish()
        }
        What::Balances => {
            for balance in store.read(snapshot.balances(pool))? {
                let (account, address) = account(&balance.account)?;
                table.row([name(pool), account, address, amount(balance.amount)])?;
            }
            Ok(())
        }
        What::Blocks => {
            for record in store.read(snapshot.blocks(pool, false))? {
                block(pool, &record, table)?;
            }
            Ok(())
        }
        What::Shares => {
            let mut rows = Rows::new(|record: &ShareRecord| share(pool, record, table));
            let mut visit = |share: &ShareRecord| {
                rows.add(share);
                if rows.ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            store.read(snapshot.shares(pool, &mut visit))?;
            rows.finish()
        }
        What::Totals => {
            let mut rows = Rows::new(|sum: &ShareTotal| total(pool, sum, table));
            store.read(snapshot.share_totals(pool, &mut |total| rows.add(total)))?;
            rows.finish()
        }
    }
}

/// Writes a row for each record, until one cannot be written.
struct Rows<W> {
    write: W,
    ended: Result<(), Failure>,
}

impl<W> Rows<W> {
    const fn new(write: W) -> Self {
        Self { write, ended: Ok(()) }
    }

    fn add<T: ?Sized>(&mut self, record: &T)
    where
        W: FnMut(&T) -> Result<(), Failure>,
    {
        if self.ended.is_ok() {
            self.ended = (self.write)(record);
        }
    }

    fn finish(self) -> Result<(), Failure> {
        self.ended
    }
}

fn booking(pool: &PoolName, booked: &Booked, table: &mut Table) -> Result<(), Failure> {
    for Transfer { from, to, amount: moved } in booked.transaction.transfers() {
        let ((from, from_address), (to, to_address)) = (account(from)?, account(to)?);
        table.row([
            name(pool),
            Cell::Number(booked.time.as_secs()),
            Cell::Text(booked.hash.to_string()),
            Cell::Number(booked.height.into()),
            Cell::Number(booked.ordinal.into()),
            state(booked.state)?,
            from,
            from_address,
            to,
            to_address,
            amount(*moved),
        ])?;
    }
    Ok(())
}

fn block(pool: &PoolName, record: &BlockRecord, table: &mut Table) -> Result<(), Failure> {
    let found = &record.candidate;
    let miners = found.credits.iter().map(|(_, part)| *part);
    let miners = Amount::checked_sum(miners)
        .ok_or_else(|| Failure::Failed(format!("the credits of block {} overflow", found.hash)))?;
    Ok(table.row([
        name(pool),
        Cell::Number(found.time.as_secs()),
        Cell::Text(found.hash.to_string()),
        Cell::Number(found.height.into()),
        state(record.state)?,
        Cell::Number(record.ordinal.into()),
        Cell::Text(found.finder.to_string()),
        Cell::Foreign(found.worker.to_string()),
        amount(found.reward),
        amount(found.fee),
        amount(miners),
        Cell::Bool(found.paid_by_coinbase),
    ])?)
}

fn share(pool: &PoolName, share: &ShareRecord, table: &mut Table) -> Result<(), Failure> {
    Ok(table.row([
        name(pool),
        Cell::Number(share.time.as_secs()),
        Cell::Number(share.key.node.into()),
        Cell::Number(share.key.boot.into()),
        Cell::Number(share.key.sequence),
        Cell::Text(share.account.to_string()),
        Cell::Foreign(share.worker.to_string()),
        Cell::Large(share.weight.get()),
        Cell::Text(share.digest.to_string()),
        Cell::Number(share.height.into()),
    ])?)
}

const SECONDS_PER_DAY: u64 = 86_400;

fn total(pool: &PoolName, total: &ShareTotal, table: &mut Table) -> Result<(), Failure> {
    Ok(table.row([
        name(pool),
        Cell::Number(total.day.saturating_mul(SECONDS_PER_DAY)),
        Cell::Text(total.account.to_string()),
        Cell::Number(total.shares),
        Cell::Large(total.weight.get()),
    ])?)
}

fn name(pool: &PoolName) -> Cell {
    Cell::Text(pool.to_string())
}

fn amount(amount: Amount) -> Cell {
    Cell::Large(amount.atomic())
}

/// The kind of an account, and the miner's address if it is one's.
fn account(account: &LedgerAccount) -> Result<(Cell, Cell), Failure> {
    let (kind, address) = match account {
        LedgerAccount::Chain => ("chain", None),
        LedgerAccount::Immature(address) => ("immature", Some(address)),
        LedgerAccount::Balance(address) => ("balance", Some(address)),
        LedgerAccount::PaidByCoinbase(address) => ("paid_by_coinbase", Some(address)),
        LedgerAccount::ImmatureFee => ("immature_fee", None),
        LedgerAccount::Fee => ("fee", None),
        other => return Err(unknown(&format!("account {other:?}"))),
    };
    let address = address.map_or(Cell::None, |address| Cell::Text(address.to_string()));
    Ok((Cell::Text(kind.into()), address))
}

fn state(state: BlockState) -> Result<Cell, Failure> {
    let name = match state {
        BlockState::Found => "found",
        BlockState::Confirmed => "confirmed",
        BlockState::Matured => "matured",
        BlockState::Orphaned => "orphaned",
        BlockState::Lost => "lost",
        other => return Err(unknown(&format!("state {other:?}"))),
    };
    Ok(Cell::Text(name.into()))
}

fn unknown(what: &str) -> Failure {
    io::Error::other(format!("the books have a thing unknown here: {what}")).into()
}

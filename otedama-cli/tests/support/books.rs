//! The books of a pool whose process is gone, and whether they are right.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use otedama_core::{Amount, Digest};
use otedama_pool::PoolName;
use otedama_pool::journal::{BlockRecord, BlockState, ShareRecord, ShareTotal, Snapshot};
use otedama_pool::ledger::{Ledger, LedgerAccount};

/// Everything that a journal holds of one pool.
pub struct Books {
    /// Those that were not rolled up.
    pub shares: Vec<ShareRecord>,
    /// What is left of the others.
    pub totals: Vec<ShareTotal>,
    pub blocks: Vec<BlockRecord>,
    pub balances: HashMap<LedgerAccount, Amount>,
}

impl Books {
    /// Reads them, and checks what holds of all books at all times: an audit finds nothing, the balances are the fold of
    /// the bookings, and the credits are the rewards minus the fees.
    pub fn read(store: &Path, pool: &str) -> Self {
        let journal = Snapshot::open(store).unwrap();
        let report = journal.verify(&mut |_| {}).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        let pool = PoolName::new(pool);
        let mut shares = Vec::new();
        journal
            .shares(&pool, &mut |share| {
                shares.push(share.clone());
                ControlFlow::Continue(())
            })
            .unwrap();
        let mut totals = Vec::new();
        journal.share_totals(&pool, &mut |total| totals.push(total.clone())).unwrap();
        let balances: HashMap<_, _> = journal
            .balances(&pool)
            .unwrap()
            .into_iter()
            .map(|balance| (balance.account, balance.amount))
            .collect();
        let mut ledger = Ledger::default();
        journal.booked(&pool, &mut |booked| ledger.apply(&booked.transaction).unwrap()).unwrap();
        let fold: HashMap<_, _> =
            ledger.balances().map(|(account, amount)| (account.clone(), amount)).collect();
        let without_zeros = |balances: &HashMap<LedgerAccount, Amount>| {
            let mut balances = balances.clone();
            balances.retain(|_, amount| *amount != Amount::ZERO);
            balances
        };
        assert_eq!(without_zeros(&balances), without_zeros(&fold), "balances are the fold of the bookings");
        let books = Self { shares, totals, blocks: journal.blocks(&pool, false).unwrap(), balances };
        let (credits, fees, rewards) = books.sums();
        assert_eq!(credits + fees, rewards, "credits are rewards minus fees");
        books
    }

    /// Credits of miners, fees of the pool, rewards from the chain; in atomic units.
    pub fn sums(&self) -> (u128, u128, u128) {
        let sum = |wanted: fn(&LedgerAccount) -> bool| {
            let of = self.balances.iter().filter(|(account, _)| wanted(account));
            of.map(|(_, amount)| amount.atomic()).sum()
        };
        let miners = |account: &LedgerAccount| {
            use LedgerAccount::{Balance, Immature, PaidByCoinbase};
            matches!(account, Immature(_) | Balance(_) | PaidByCoinbase(_))
        };
        let fees =
            |account: &LedgerAccount| matches!(account, LedgerAccount::ImmatureFee | LedgerAccount::Fee);
        (sum(miners), sum(fees), sum(|account| *account == LedgerAccount::Chain))
    }

    /// Blocks on the best chain.
    pub fn confirmed(&self) -> Vec<&BlockRecord> {
        let on_chain =
            |block: &&BlockRecord| matches!(block.state, BlockState::Confirmed | BlockState::Matured);
        self.blocks.iter().filter(on_chain).collect()
    }

    /// How often each digest stands in the journal.
    pub fn digests(&self) -> HashMap<Digest, usize> {
        let mut counts = HashMap::new();
        for share in &self.shares {
            *counts.entry(share.digest).or_default() += 1;
        }
        counts
    }
}

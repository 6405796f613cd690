//! A pool core on a workbench, and miners with real client sessions, wired by hand.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use otedama_core::{
    Algorithm, Amount, CompactTarget, Extranonce, Factor, Generation, Goal, Hash256, HashRate, Job, Share,
    Solution, Weight,
};
use otedama_hash::Verifier;
use otedama_pool::core::{ConnectionId, CoreConfig};
use otedama_pool::job::{Layout, Payout};
use otedama_pool::journal::{BlockRecord, Memory};
use otedama_pool::ledger::LedgerAccount;
use otedama_pool::scheme::{Pplns, Scheme};
use otedama_pool::testkit::{Bench, FakeClock, ScriptedNode};
use otedama_pool::{Account, Chain, Coin, PoolName, Template};
use otedama_stratum::{ChannelKind, ClientConfig, ClientEvent, ClientSession, Login};

pub(crate) const POOL: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
pub(crate) const ALICE: &str = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202";
pub(crate) const NOON: u64 = 1_800_000_000;
/// A network difficulty of 2^16 hashes a block.
pub(crate) const NBITS: u32 = 0x1f00_ffff;
/// Shares at about 2^8 hashes.
pub(crate) const SHARE_DIFFICULTY: &str = "0.00000005960464477539063";
/// What is left of a reward of 50 coins after one percent.
pub(crate) const REST: u128 = 4_950_000_000;

pub(crate) fn template(previous: u8, height: u32) -> Template {
    let previous = Hash256::from_internal([previous; 32]);
    let value = Amount::from_atomic(5_000_000_000);
    let time = u32::try_from(NOON).unwrap();
    Template::new(height, previous, CompactTarget::from_bits(NBITS), time, value)
}

pub(crate) fn coin() -> Coin {
    Coin::devnet(Algorithm::SHA256D)
}

pub(crate) fn config(scheme: impl Scheme + 'static) -> CoreConfig {
    let layout = Layout {
        algorithm: Algorithm::SHA256D,
        payee: scheme.payee(),
        pool_script: coin().address(Chain::Regtest, POOL).unwrap().script().into(),
        fee: "1.0".parse().unwrap(),
        tag: (*b"/test/").into(),
        extranonce_len: 12,
        version_mask: 0x1fff_e000,
    };
    CoreConfig::new(PoolName::new("test"), layout, Arc::new(scheme), 3, |text| {
        let address = coin().address(Chain::Regtest, text).ok()?;
        Some(Payout { account: address.account().clone(), script: address.script().into() })
    })
}

pub(crate) fn pplns() -> CoreConfig {
    config(Pplns::new(Factor::whole(2)).unwrap())
}

pub(crate) struct Pool {
    pub(crate) bench: Bench,
    pub(crate) node: ScriptedNode,
    pub(crate) journal: Memory,
    pub(crate) verifier: Verifier,
}

impl Pool {
    pub(crate) fn new(config: CoreConfig) -> Self {
        Self::on(config, Memory::new(), ScriptedNode::new(template(1, 100)), FakeClock::at(NOON))
    }

    pub(crate) fn on(config: CoreConfig, journal: Memory, node: ScriptedNode, clock: FakeClock) -> Self {
        let verifier = Verifier::new(Algorithm::SHA256D).unwrap();
        let handle = Box::new(journal.handle());
        let bench = Bench::new(config, verifier.clone(), handle, Arc::new(node.clone()), clock).unwrap();
        Self { bench, node, journal, verifier }
    }

    /// The next life on the same journal and node.
    pub(crate) fn restart(self, config: CoreConfig) -> Self {
        let clock = self.bench.clock().clone();
        Self::on(config, self.journal, self.node, clock)
    }

    pub(crate) fn offer(&mut self, previous: u8, height: u32) {
        self.node.offer(Ok(template(previous, height)));
        self.bench.fetch_template();
    }

    pub(crate) fn balance(&mut self, account: &LedgerAccount) -> u128 {
        let balances = self.bench.journal().balances(&PoolName::new("test")).unwrap();
        balances.iter().find(|b| b.account == *account).map_or(0, |b| b.amount.atomic())
    }

    pub(crate) fn shares(&mut self) -> Vec<(Account, Weight)> {
        let mut shares = Vec::new();
        let mut see = |share: &otedama_pool::journal::ShareRecord| {
            shares.push((share.account.clone(), share.weight));
            ControlFlow::Continue(())
        };
        self.bench.journal().shares(&PoolName::new("test"), &mut see).unwrap();
        shares
    }

    pub(crate) fn blocks(&mut self) -> Vec<BlockRecord> {
        self.bench.journal().blocks(&PoolName::new("test"), false).unwrap()
    }
}

/// A miner with a real client session, wired to the bench by hand.
pub(crate) struct Miner {
    pub(crate) connection: ConnectionId,
    pub(crate) session: ClientSession,
    pub(crate) job: Option<Job>,
    pub(crate) events: VecDeque<ClientEvent>,
    pub(crate) rolled: u64,
}

impl Miner {
    pub(crate) fn join(pool: &mut Pool, user: &str) -> Self {
        let login =
            Login::new(Algorithm::SHA256D, format!("{user}.rig")).password(format!("d={SHARE_DIFFICULTY}"));
        let session = ClientSession::new(ClientConfig::new(login), pool.bench.clock().now());
        Self::with(pool, session)
    }

    /// The same over Stratum V2, where no password is sent.
    pub(crate) fn join_v2(pool: &mut Pool, user: &str, kind: ChannelKind) -> Self {
        let mut config = ClientConfig::new(Login::new(Algorithm::SHA256D, user));
        config.channel = kind;
        // Twelve shares a minute of 2^8 hashes each.
        config.hash_rate = Some(HashRate::from_hashes_per_second(51.2));
        Self::with(pool, ClientSession::v2(config, pool.bench.clock().now()))
    }

    fn with(pool: &mut Pool, session: ClientSession) -> Self {
        let connection = pool.bench.connect();
        let mut miner = Self { connection, session, job: None, events: VecDeque::new(), rolled: 0 };
        miner.exchange(pool);
        miner
    }

    pub(crate) fn exchange(&mut self, pool: &mut Pool) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            while let Some(bytes) = self.session.poll_transmit() {
                pool.bench.send(self.connection, &bytes);
                quiet = false;
            }
            let output = pool.bench.take_output(self.connection);
            if !output.is_empty() {
                self.session.handle_input(&output, pool.bench.clock().now()).unwrap();
                quiet = false;
            }
            while let Some(event) = self.session.poll_event() {
                match event {
                    ClientEvent::Job(job) => self.job = Some(job),
                    other => self.events.push_back(other),
                }
            }
        }
    }

    /// A share that meets just the share target, or the block's too.
    pub(crate) fn find(&mut self, pool: &Pool, block: bool) -> Share {
        let job = self.job.clone().unwrap();
        loop {
            self.rolled += 1;
            // A standard channel has nothing but nonces.
            let (rolled, nonces) = match job.terms().extranonce2_len {
                0 => (0, self.rolled * 100_000..(self.rolled + 1) * 100_000),
                _ => (self.rolled, 0..100_000),
            };
            let extranonce2 = Extranonce::from_counter(rolled, job.terms().extranonce2_len).unwrap();
            let work = job.work(&extranonce2, Generation(0)).unwrap();
            for nonce in nonces {
                let digest = pool.verifier.digest(&work.header.with_nonce(work.algorithm, nonce));
                let Ok(verdict) = job.judge(digest) else { continue };
                if verdict.met(Goal::BLOCK) == block {
                    return Share::from_solution(&job, extranonce2, Solution::new(Generation(0), nonce));
                }
            }
        }
    }

    pub(crate) fn submit(&mut self, pool: &mut Pool, share: &Share) -> Option<Result<(), i64>> {
        self.session.submit(share, pool.bench.clock().now()).unwrap();
        self.exchange(pool);
        self.answer()
    }

    /// The answer to the oldest share that has one: the code if it was refused.
    pub(crate) fn answer(&mut self) -> Option<Result<(), i64>> {
        while let Some(event) = self.events.pop_front() {
            match event {
                ClientEvent::Accepted(_) => return Some(Ok(())),
                ClientEvent::Rejected(_, why) => return Some(Err(why.code.unwrap())),
                _ => {}
            }
        }
        None
    }
}

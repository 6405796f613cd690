//! Clients of the provider that are written out: what they are told, and what they get away with.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use otedama_core::{Algorithm, Hash256, Header, Now};
use otedama_pool::node::{Node as _, Submission};
use otedama_pool::provider::ProviderEvent;
use otedama_stratum::limits::TemplateServerLimits;
use otedama_stratum::v2::distribution::{
    TemplateClient, TemplateClientConfig, TemplateClientEvent, TemplateOffer, TemplateSolution,
};
use otedama_stratum::v2::template::SetNewPrevHash;

use crate::mining::{candidate, miss_header, pay_all, solve_header};
use crate::stage::{PATIENCE, Running, SCRIPT, Stage};

/// A client over plain frames.
struct Peer {
    stream: TcpStream,
    session: TemplateClient,
}

impl Peer {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let session =
            TemplateClient::new(TemplateClientConfig::new("127.0.0.1", address.port()), Now::default());
        let mut peer = Self { stream, session };
        assert_eq!(peer.event(), TemplateClientEvent::Ready);
        peer
    }

    fn flush(&mut self) {
        while let Some(bytes) = self.session.poll_transmit() {
            self.stream.write_all(&bytes).unwrap();
        }
    }

    fn event(&mut self) -> TemplateClientEvent {
        let mut buffer = [0; 4096];
        loop {
            self.flush();
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            let count = self.stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "the provider hung up");
            self.session.handle_input(&buffer[..count], Now::default()).unwrap();
        }
    }

    fn template(&mut self) -> TemplateOffer {
        match self.event() {
            TemplateClientEvent::Template(offer) => *offer,
            other => panic!("{other:?}"),
        }
    }

    fn previous(&mut self) -> SetNewPrevHash {
        match self.event() {
            TemplateClientEvent::Previous(previous) => previous,
            other => panic!("{other:?}"),
        }
    }

    /// What is said when the transactions of a template are asked for.
    fn asked(&mut self, id: u64) -> TemplateClientEvent {
        self.session.request_transactions(id).unwrap();
        self.event()
    }
}

fn refused(template_id: u64, code: &str) -> TemplateClientEvent {
    TemplateClientEvent::TransactionsRefused { template_id, code: code.into() }
}

/// The solution of a header and a coinbase with its witness.
fn solution(template_id: u64, header: &Header, coinbase: &[u8]) -> TemplateSolution {
    let field = |at: usize| u32::from_le_bytes(header.as_bytes()[at..at + 4].try_into().unwrap());
    TemplateSolution {
        template_id,
        version: field(0),
        time: field(68),
        nonce: field(76),
        coinbase: coinbase.into(),
    }
}

#[test]
fn a_new_tip_comes_as_a_future_template_and_old_ones_are_stale() {
    let stage = Stage::new();
    stage.give(0..2);
    let provider = stage.provider();
    let mut peer = Peer::connect(provider.address);
    let (first, tip) = (peer.template(), peer.previous());
    let theirs = stage.devnet.template().unwrap();
    assert!(first.future && tip.template_id == first.template_id);
    assert_eq!(Hash256::from(tip.prev_hash), theirs.previous);
    assert_eq!((first.output_count, first.outputs.len(), first.lock_time), (1, 47, 0));
    assert_eq!((&*first.coinbase_prefix, first.merkle_path.clone()), (&[0x51][..], theirs.merkle_path()));
    match peer.asked(first.template_id) {
        TemplateClientEvent::Transactions(transactions) => {
            let expected: Vec<_> =
                theirs.transactions.into_iter().map(|transaction| transaction.data).collect();
            assert_eq!((transactions.list, transactions.excess.len()), (expected, 0));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(peer.asked(first.template_id + 1), refused(first.template_id + 1, "template-id-not-found"));
    assert_eq!(peer.asked(0), refused(0, "template-id-not-found"));

    stage.give(2..3);
    let better = peer.template();
    assert!(!better.future && better.template_id > first.template_id);
    assert_eq!(better.coinbase_value, 5_000_003_000);

    let hash = stage.mine_another();
    let (second, tip) = (peer.template(), peer.previous());
    assert!(second.future && tip.template_id == second.template_id);
    assert_eq!((Hash256::from(tip.prev_hash), second.lock_time), (hash, 1));
    for id in [first.template_id, better.template_id] {
        assert_eq!(peer.asked(id), refused(id, "stale-template-id"));
    }
}

#[test]
fn a_block_is_taken_once_and_only_with_its_work() {
    let stage = Stage::new();
    stage.give(0..2);
    let mut provider = stage.provider();
    let mut peer = Peer::connect(provider.address);
    let offer = peer.template();
    let template = stage.devnet.template().unwrap();
    let plan = pay_all(&template, &SCRIPT);
    let (header, coinbase) = candidate(&template, Algorithm::SHA256D, &plan);
    let target = template.nbits.target().unwrap();
    let miss = miss_header(header, Algorithm::SHA256D, target);
    let solved = solve_header(header, Algorithm::SHA256D, target);
    let why = |provider: &mut Running| {
        provider.event(|event| match event {
            ProviderEvent::SolutionRefused { why, .. } => Some(why),
            ProviderEvent::BlockFound { .. } => panic!("it is no block"),
            _ => None,
        })
    };
    for (solution, expected) in [
        (solution(offer.template_id, &miss, &coinbase), "its proof of work is not enough"),
        (solution(offer.template_id + 9, &solved, &coinbase), "its template is not known"),
        (solution(offer.template_id, &solved, &coinbase[1..]), "its coinbase is no transaction"),
    ] {
        peer.session.submit_solution(&solution).unwrap();
        peer.flush();
        assert_eq!(why(&mut provider), expected);
    }
    // With its witness as the protocol has it, and once more without.
    let with_witness = {
        let block = template.block(&solved, &coinbase);
        // Marker and flag; one item of 32 bytes behind its count and its length.
        block[81..81 + coinbase.len() + 36].to_vec()
    };
    for coinbase in [&with_witness, &coinbase] {
        peer.session.submit_solution(&solution(offer.template_id, &solved, coinbase)).unwrap();
    }
    peer.flush();
    let hash = Hash256::sha256d(solved.as_bytes());
    let found = provider.event(|event| match event {
        ProviderEvent::BlockFound { hash, height } => Some((hash, height)),
        _ => None,
    });
    assert_eq!(found, (hash, 1));
    let answer = provider.event(|event| match event {
        ProviderEvent::BlockAnswered { hash, answer, .. } => Some((hash, answer)),
        _ => None,
    });
    assert_eq!(answer, (hash, Ok(Submission::Known)));
    // The second was the same block: no more is said of it before the next tip is told.
    assert_eq!(stage.devnet.tip_height(), 1);
    stage.mine_another();
    provider.event(|event| match event {
        ProviderEvent::BlockFound { .. } => panic!("it was taken twice"),
        ProviderEvent::Template { height: 3, .. } => Some(()),
        _ => None,
    });
}

#[test]
fn who_says_nothing_or_nonsense_is_cut() {
    let stage = Stage::new();
    let left = |provider: &mut Running| {
        provider.event(|event| match event {
            ProviderEvent::Left { reason, .. } => Some(reason),
            _ => None,
        })
    };
    let mut limits = TemplateServerLimits::default();
    limits.setup = Duration::from_millis(50);
    let started = stage.runtime.block_on(stage.builder().limits(limits).listen("127.0.0.1:0").start());
    let mut hasty = Running::of(started.unwrap(), &stage.runtime);
    let mut silent = TcpStream::connect(hasty.address).unwrap();
    assert_eq!(left(&mut hasty), "no connection was set up in time");
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    let mut provider = stage.provider();
    for (bytes, reason) in [
        (&[0, 0, 0, 0xff, 0xff, 0xff][..], "a frame of kind 0x00 announces 16777215 bytes, 131072 allowed"),
        (&[0, 0, 0x70, 6, 0, 0, 1, 0, 0, 0, 1, 0], "CoinbaseOutputConstraints is out of place"),
        (&[0, 0, 0, 1, 0, 0, 2], "SetupConnection, min_version: the payload ends too soon"),
    ] {
        TcpStream::connect(provider.address).unwrap().write_all(bytes).unwrap();
        assert_eq!(left(&mut provider), reason);
    }
    let mut peer = Peer::connect(provider.address);
    peer.template();
    peer.previous();
    drop(peer);
    assert_eq!(left(&mut provider), "");
}

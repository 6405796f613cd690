//! Both sides against each other on a wire that chops, and each against a peer that does not keep the rules.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use otedama_core::{Hash256, Now};

use super::*;
use crate::limits::TemplateServerLimits;
use crate::v2::common::{Protocol, SetupConnection, SetupConnectionError, SetupConnectionSuccess};
use crate::v2::template::{
    CoinbaseOutputConstraints, NewTemplate, RequestTransactionData, RequestTransactionDataSuccess,
    SetNewPrevHash,
};
use crate::v2::{
    B0_16M, B0_64K, B0_255, Code, Encode, Frame, FrameError, Message, Seq, Str0_255, U256, mining,
};

struct Pair {
    client: TemplateClient,
    server: TemplateServer,
    now: Now,
    /// Bytes that go through at a time.
    piece: usize,
}

impl Pair {
    fn new(piece: usize) -> Self {
        let now = Now::default();
        Self { client: client(now), server: server(now), now, piece }
    }

    fn carry(&mut self) {
        loop {
            let up: Vec<u8> = core::iter::from_fn(|| self.client.poll_transmit()).flatten().collect();
            let down: Vec<u8> = core::iter::from_fn(|| self.server.poll_transmit()).flatten().collect();
            if up.is_empty() && down.is_empty() {
                return;
            }
            up.chunks(self.piece).for_each(|bytes| self.server.handle_input(bytes, self.now).unwrap());
            down.chunks(self.piece).for_each(|bytes| self.client.handle_input(bytes, self.now).unwrap());
        }
    }

    fn server_events(&mut self) -> Vec<TemplateServerEvent> {
        core::iter::from_fn(|| self.server.poll_event()).collect()
    }

    fn client_events(&mut self) -> Vec<TemplateClientEvent> {
        core::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn ready(piece: usize) -> Self {
        let mut pair = Self::new(piece);
        pair.carry();
        pair.server_events();
        pair.client_events();
        pair
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }
}

fn client(now: Now) -> TemplateClient {
    TemplateClient::new(TemplateClientConfig::new("node.example", 8442), now)
}

fn server(now: Now) -> TemplateServer {
    TemplateServer::new(Arc::default(), now)
}

fn offer(template_id: u64, future: bool) -> TemplateOffer {
    TemplateOffer {
        template_id,
        future,
        version: 0x2000_0000,
        coinbase_version: 2,
        coinbase_prefix: Box::new([2, 44, 1]),
        coinbase_sequence: 0xffff_fffe,
        coinbase_value: 5_000_000_000,
        output_count: 1,
        outputs: Box::new([7; 47]),
        lock_time: 299,
        merkle_path: (0..12).map(|byte| Hash256::from_internal([byte; 32])).collect(),
    }
}

fn previous(template_id: u64) -> SetNewPrevHash {
    let (prev_hash, target) = (U256([9; 32]), U256([0xff; 32]));
    SetNewPrevHash { template_id, prev_hash, header_timestamp: 1_800_000_000, nbits: 0x207f_ffff, target }
}

fn encoded(message: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    message.append(&mut out).unwrap();
    out
}

#[test]
fn templates_go_down_and_solutions_up_in_any_chopping() {
    for piece in [1, 2, 7, 64, 1 << 20] {
        let mut pair = Pair::new(piece);
        assert_eq!(pair.server.send_template(&offer(1, true)), Err(SendError::NotReady));
        pair.carry();
        let vendor = concat!("otedama/", env!("CARGO_PKG_VERSION")).into();
        let room = CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: 512,
            coinbase_output_max_additional_sigops: 16,
        };
        let expected = [TemplateServerEvent::Connected { vendor }, TemplateServerEvent::Constraints(room)];
        assert_eq!(pair.server_events(), expected);
        assert_eq!(pair.client_events(), [TemplateClientEvent::Ready]);

        pair.server.send_template(&offer(1, true)).unwrap();
        pair.server.set_previous(&previous(1)).unwrap();
        pair.server.send_template(&offer(2, false)).unwrap();
        pair.carry();
        let template = |id, future| TemplateClientEvent::Template(Box::new(offer(id, future)));
        let expected = [template(1, true), TemplateClientEvent::Previous(previous(1)), template(2, false)];
        assert_eq!(pair.client_events(), expected);

        let solution =
            TemplateSolution { template_id: 2, version: 3, time: 4, nonce: 5, coinbase: vec![6; 300].into() };
        for id in [2, 1, 9] {
            pair.client.request_transactions(id).unwrap();
        }
        pair.client.submit_solution(&solution).unwrap();
        pair.carry();
        let asked = |template_id| TemplateServerEvent::TransactionsRequested { template_id };
        let expected = [asked(2), asked(1), asked(9), TemplateServerEvent::Solution(solution)];
        assert_eq!(pair.server_events(), expected);

        let list: Vec<Box<[u8]>> = (0..100).map(|len| vec![8; 60 + len].into()).collect();
        let transactions = EncodedTransactions::new(2, list.iter().map(|bytes| &bytes[..])).unwrap();
        pair.server.send_transactions(&transactions).unwrap();
        pair.server.refuse_transactions(1, Code::StaleTemplateId).unwrap();
        pair.server.refuse_transactions(9, Code::TemplateIdNotFound).unwrap();
        pair.carry();
        let refused = |template_id, code: &str| TemplateClientEvent::TransactionsRefused {
            template_id,
            code: code.into(),
        };
        let given = TemplateTransactions { template_id: 2, excess: Box::new([]), list };
        let expected = [
            TemplateClientEvent::Transactions(given),
            refused(1, "stale-template-id"),
            refused(9, "template-id-not-found"),
        ];
        assert_eq!(pair.client_events(), expected);
        assert_eq!((pair.server.buffered_bytes(), pair.client.buffered_bytes()), (0, 0));
    }
}

#[test]
fn constraints_may_change() {
    let mut pair = Pair::ready(5);
    let room = CoinbaseOutputConstraints {
        coinbase_output_max_additional_size: 40_000,
        coinbase_output_max_additional_sigops: 80,
    };
    pair.client.set_constraints(room).unwrap();
    pair.carry();
    assert_eq!(pair.server_events(), [TemplateServerEvent::Constraints(room)]);
}

#[test]
fn transactions_are_encoded_once() {
    let transactions = EncodedTransactions::new(3, [&[1; 100][..], &[2; 200]]).unwrap();
    let mut pieces = Vec::new();
    for _ in 0..2 {
        let mut pair = Pair::ready(64);
        pair.server.send_transactions(&transactions).unwrap();
        pieces.extend(pair.server.poll_transmit());
    }
    assert_eq!((pieces.len(), transactions.template_id()), (2, 3));
    assert!(core::ptr::eq(pieces[0].as_ptr(), pieces[1].as_ptr()));
    let many = core::iter::repeat_n(&[1u8][..], 65_536);
    assert!(EncodedTransactions::new(3, many).is_err());
    let large = vec![0; 1 << 23];
    assert!(EncodedTransactions::new(3, [&large[..], &large]).is_err());
}

#[test]
fn other_protocols_versions_and_flags_are_refused_with_a_word() {
    for (protocol, versions, flags, code, told) in [
        (Protocol::MINING, (2, 2), 0, Code::UnsupportedProtocol, 0),
        (Protocol::TEMPLATE_DISTRIBUTION, (3, 9), 0, Code::ProtocolVersionMismatch, 0),
        (Protocol::TEMPLATE_DISTRIBUTION, (2, 2), 5, Code::UnsupportedFeatureFlags, 5),
    ] {
        let mut server = server(Now::default());
        let text = Str0_255::EMPTY;
        let setup = SetupConnection {
            protocol,
            min_version: versions.0,
            max_version: versions.1,
            flags,
            endpoint_host: text,
            endpoint_port: 0,
            vendor: text,
            hardware_version: text,
            firmware: text,
            device_id: text,
        };
        let error = DistributionError::Unsupported(code);
        assert_eq!(server.handle_input(&encoded(&setup), Now::default()), Err(error.clone()));
        assert_eq!(server.handle_timeout(Now::default()), Err(error));
        assert_eq!(server.send_template(&offer(1, true)), Err(SendError::Ended));
        let answer = server.poll_transmit().unwrap();
        let expected = SetupConnectionError { flags: told, error_code: code.into() };
        assert_eq!(answer, encoded(&expected));
        let mut client = client(Now::default());
        let refused = client.handle_input(&answer, Now::default());
        assert_eq!(refused, Err(DistributionError::Refused(code.as_str().into())));
    }
}

#[test]
fn a_server_of_another_version_is_not_believed() {
    let mut client = client(Now::default());
    let answer = encoded(&SetupConnectionSuccess { used_version: 3, flags: 0 });
    let refused = client.handle_input(&answer, Now::default());
    assert_eq!(refused, Err(DistributionError::Refused("version 3".into())));
}

#[test]
fn what_is_out_of_place_ends_a_session() {
    let request = encoded(&RequestTransactionData { template_id: 1 });
    let unexpected = |message| Err(DistributionError::Unexpected { message });
    assert_eq!(
        server(Now::default()).handle_input(&request, Now::default()),
        unexpected("RequestTransactionData")
    );
    let mut pair = Pair::ready(99);
    let close = mining::CloseChannel { channel_id: 1, reason_code: Str0_255::EMPTY };
    assert_eq!(pair.server.handle_input(&encoded(&close), pair.now), unexpected("CloseChannel"));
    assert_eq!(pair.client.handle_input(&request, pair.now), unexpected("RequestTransactionData"));
    let early = encoded(&previous(1));
    assert_eq!(client(pair.now).handle_input(&early, pair.now), unexpected("SetNewPrevHash"));
}

#[test]
fn what_is_unknown_is_overlooked() {
    let mut pair = Pair::ready(99);
    let unknown = encoded(&Frame { extension: 0x4001, channel: true, kind: 3, payload: &[1, 2, 3] });
    assert_eq!(pair.server.handle_input(&unknown, pair.now), Ok(()));
    assert_eq!(pair.client.handle_input(&unknown, pair.now), Ok(()));
    assert_eq!((pair.server_events(), pair.client_events()), (vec![], vec![]));
}

#[test]
fn a_server_may_not_send_more_than_the_limits() {
    let template = NewTemplate {
        template_id: 1,
        future_template: true,
        version: 1,
        coinbase_tx_version: 2,
        coinbase_prefix: B0_255::EMPTY,
        coinbase_tx_input_sequence: 0,
        coinbase_tx_value_remaining: 0,
        coinbase_tx_outputs_count: 0,
        coinbase_tx_outputs: B0_64K::EMPTY,
        coinbase_tx_locktime: 0,
        merkle_path: Seq::EMPTY,
    };
    let path = [U256([0; 32]); 33];
    let list = vec![B0_16M::EMPTY; 25_001];
    let data = RequestTransactionDataSuccess {
        template_id: 1,
        excess_data: B0_64K::EMPTY,
        transaction_list: Seq::new(&list).unwrap(),
    };
    let messages: [(Message<'_>, &str, usize, usize); 3] = [
        (
            NewTemplate { coinbase_prefix: B0_255::new(&[0; 9]).unwrap(), ..template }.into(),
            "bytes of coinbase prefix",
            9,
            8,
        ),
        (
            NewTemplate { merkle_path: Seq::new(&path).unwrap(), ..template }.into(),
            "hashes of merkle path",
            33,
            32,
        ),
        (data.into(), "transactions", 25_001, 25_000),
    ];
    for (message, what, count, limit) in messages {
        let mut pair = Pair::ready(99);
        let error = DistributionError::TooMany { what, count, limit };
        assert_eq!(pair.client.handle_input(&encoded(&message), pair.now), Err(error));
    }
    let mut pair = Pair::ready(99);
    let (len, limit) = (0x80_0001, 0x80_0000);
    let error = FrameError::TooLong { kind: 0x74, len, limit };
    assert_eq!(pair.client.handle_input(&[0, 0, 0x74, 1, 0, 0x80], pair.now), Err(error.into()));
    let error = FrameError::TooLong { kind: 0x76, len: 0x2_0001, limit: 0x2_0000 };
    assert_eq!(pair.server.handle_input(&[0, 0, 0x76, 1, 0, 2], pair.now), Err(error.into()));
}

#[test]
fn floods_end_a_session() {
    let mut pair = Pair::ready(99);
    let request = encoded(&RequestTransactionData { template_id: 1 });
    let flood = pair.server.handle_input(&request.repeat(257), pair.now);
    assert_eq!(flood, Err(DistributionError::EventsFull { limit: 256 }));
    let flood = pair.client.handle_input(&encoded(&previous(1)).repeat(257), pair.now);
    assert_eq!(flood, Err(DistributionError::EventsFull { limit: 256 }));

    let limits = TemplateServerLimits { output: 1000, ..Default::default() };
    let mut pair = Pair { server: TemplateServer::new(Arc::new(limits), Now::default()), ..Pair::new(99) };
    pair.carry();
    let transactions = EncodedTransactions::new(1, [&[0; 600][..]]).unwrap();
    assert_eq!(pair.server.send_transactions(&transactions), Ok(()));
    assert_eq!(pair.server.poll_timeout(), None);
    assert_eq!(pair.server.send_transactions(&transactions), Ok(()));
    let full = pair.server.handle_timeout(pair.now);
    assert_eq!(full, Err(DistributionError::OutputFull { limit: 1000 }));
    assert_eq!(pair.server.send_transactions(&transactions), Err(SendError::Ended));
}

#[test]
fn who_is_slow_is_cut() {
    let second = Duration::from_secs(1);
    let mut pair = Pair::new(99);
    pair.wait(14 * second);
    assert_eq!(pair.server.handle_timeout(pair.now), Ok(()));
    assert_eq!(pair.client.handle_timeout(pair.now), Ok(()));
    pair.wait(second);
    assert_eq!(pair.server.handle_timeout(pair.now), Err(DistributionError::SetupTimeout));
    assert_eq!(pair.client.handle_timeout(pair.now), Err(DistributionError::NoAnswer));

    let mut pair = Pair::new(99);
    let setup = pair.client.poll_transmit().unwrap();
    pair.server.handle_input(&setup[..40], pair.now).unwrap();
    pair.wait(10 * second);
    pair.server.handle_input(&setup[40..], pair.now).unwrap();
    pair.wait(14 * second);
    assert_eq!(pair.server.handle_timeout(pair.now), Ok(()));
    pair.wait(second);
    assert_eq!(pair.server.handle_timeout(pair.now), Err(DistributionError::ConstraintsTimeout));

    let mut pair = Pair::ready(99);
    assert_eq!(pair.server.poll_timeout(), None, "a client may be silent");
    pair.server.handle_input(&[0, 0], pair.now).unwrap();
    pair.wait(30 * second);
    assert_eq!(pair.server.handle_timeout(pair.now), Err(DistributionError::FrameTimeout));
}

#[test]
fn a_silent_server_is_asked_for_a_sign_of_life() {
    let mut pair = Pair::ready(99);
    for _ in 0..3 {
        pair.wait(Duration::from_secs(60));
        assert_eq!(pair.client.poll_timeout(), Some(pair.now.moment));
        assert_eq!(pair.client.handle_timeout(pair.now), Ok(()));
        pair.carry();
        let asked = TemplateServerEvent::TransactionsRequested { template_id: u64::MAX };
        assert_eq!(pair.server_events(), [asked]);
        pair.server.refuse_transactions(u64::MAX, Code::TemplateIdNotFound).unwrap();
        pair.carry();
        assert_eq!(pair.client_events(), [], "the answer is nothing to know of");
    }
    pair.wait(Duration::from_secs(60));
    pair.client.handle_timeout(pair.now).unwrap();
    assert!(pair.client.poll_transmit().is_some());
    pair.wait(Duration::from_secs(29));
    assert_eq!(pair.client.handle_timeout(pair.now), Ok(()));
    assert_eq!(pair.client.poll_transmit(), None::<Bytes>, "it is asked once");
    pair.wait(Duration::from_secs(1));
    assert_eq!(pair.client.handle_timeout(pair.now), Err(DistributionError::NoAnswer));
}

#[test]
fn bytes_without_sense_never_panic_and_never_grow() {
    let mut random = 1_u64;
    let mut byte = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random.to_be_bytes()[0]
    };
    for round in 0..2_000 {
        let mut pair = Pair::ready(99);
        let kind = 0x70 + u8::try_from(round % 7).unwrap();
        let payload: Vec<u8> = (0..byte()).map(|_| byte()).collect();
        let frame = encoded(&Frame { extension: 0, channel: false, kind, payload: &payload });
        let _ = pair.server.handle_input(&frame, pair.now);
        let _ = pair.client.handle_input(&frame, pair.now);
        assert!(pair.server_events().len() <= 1 && pair.client_events().len() <= 1);
    }
}

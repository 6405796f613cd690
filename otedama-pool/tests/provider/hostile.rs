//! Providers that break the rules, and what the node says of them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use otedama_core::coinbase::height_push;
use otedama_core::{CompactTarget, Hash256, Now};
use otedama_pool::node::{Node as _, NodeError, TemplateProvider, TemplateProviderConfig};
use otedama_pool::{Chain, Template};
use otedama_stratum::v2::distribution::{
    EncodedTransactions, TemplateOffer, TemplateServer, TemplateServerEvent,
};
use otedama_stratum::v2::template::SetNewPrevHash;
use otedama_stratum::v2::{Code, U256};

use crate::stage::PATIENCE;

/// What is wrong with a template.
type Change = fn(&mut TemplateOffer, &mut SetNewPrevHash);
/// What a provider answers to what a client did.
type Script = Box<dyn FnMut(&mut TemplateServer, TemplateServerEvent) + Send>;

/// Serves one client at a time by the script that is made for it, and writes what else it is told to.
fn serve(raw: &'static [u8], script: impl Fn() -> Script + Send + 'static) -> TemplateProvider {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the process of the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            attend(&mut stream.unwrap(), raw, script());
        }
    });
    let config = TemplateProviderConfig::new("127.0.0.1", port).chain(Chain::Regtest).patience(PATIENCE);
    TemplateProvider::connect(config).unwrap()
}

fn attend(stream: &mut TcpStream, raw: &[u8], mut script: Script) {
    let mut session = TemplateServer::new(Arc::default(), Now::default());
    let mut buffer = [0; 1000];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if session.handle_input(&buffer[..count], Now::default()).is_err() {
            return;
        }
        while let Some(event) = session.poll_event() {
            script(&mut session, event);
        }
        while let Some(bytes) = session.poll_transmit() {
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
        if session.is_ready() && stream.write_all(raw).is_err() {
            return;
        }
    }
}

/// An empty block of a chain without witness.
fn offer(template_id: u64, future: bool) -> TemplateOffer {
    TemplateOffer {
        template_id,
        future,
        version: 0x2000_0000,
        coinbase_version: 2,
        coinbase_prefix: height_push(700_000).into(),
        coinbase_sequence: u32::MAX,
        coinbase_value: 5_000_000_000 + template_id,
        output_count: 0,
        outputs: Box::new([]),
        lock_time: 0,
        merkle_path: Box::new([]),
    }
}

fn previous(template_id: u64) -> SetNewPrevHash {
    let bits = CompactTarget::from_bits(0x207f_ffff);
    SetNewPrevHash {
        template_id,
        prev_hash: U256([9; 32]),
        header_timestamp: 1_800_000_000,
        nbits: bits.to_bits(),
        target: bits.target().unwrap().into(),
    }
}

/// Sends one template, changed, and gives its transactions.
fn once(change: Change) -> Script {
    Box::new(move |session, event| match event {
        TemplateServerEvent::Constraints(_) => {
            let (mut offer, mut previous) = (offer(1, true), previous(1));
            change(&mut offer, &mut previous);
            session.send_template(&offer).unwrap();
            session.set_previous(&previous).unwrap();
        }
        TemplateServerEvent::TransactionsRequested { template_id } => {
            session.send_transactions(&EncodedTransactions::new(template_id, []).unwrap()).unwrap();
        }
        _ => {}
    })
}

/// What the node says once it has an opinion.
fn verdict(node: &TemplateProvider) -> Result<Template, NodeError> {
    node.template()
}

#[test]
fn this_provider_is_believed_if_nothing_is_changed() {
    let template = verdict(&serve(&[], || once(|_, _| ()))).unwrap();
    assert_eq!((template.height, template.coinbase_value.atomic()), (700_000, 5_000_000_001));
    assert_eq!((template.witness_commitment, template.transactions), (None, vec![]));
    assert!((1_800_000_000..1_800_000_120).contains(&template.curtime), "its clock goes on");
    assert_eq!(template.mintime, 1_800_000_000);
}

#[test]
fn a_template_that_is_wrong_ends_the_connection_with_a_reason() {
    let malformed = |what: &str| NodeError::Malformed(what.to_owned());
    let cases: [(Change, NodeError); 6] = [
        (
            |offer, _| offer.merkle_path = Box::new([Hash256::ZERO]),
            malformed("template with another merkle path than that of its transactions"),
        ),
        (
            |offer, _| offer.coinbase_prefix = Box::new([3, 0, 0]),
            malformed("template with a coinbase that does not begin with a height"),
        ),
        (
            |offer, _| offer.coinbase_prefix = [0; 9].into(),
            malformed("9 bytes of coinbase prefix, 8 allowed"),
        ),
        (
            |offer, _| offer.merkle_path = vec![Hash256::ZERO; 33].into(),
            malformed("33 hashes of merkle path, 32 allowed"),
        ),
        (|_, previous| previous.template_id = 5, malformed("a tip for template 5, which is none")),
        (
            |offer, _| (offer.output_count, offer.outputs) = (1, [1; 9].into()),
            malformed("template with fewer outputs than it says"),
        ),
    ];
    for (change, error) in cases {
        assert_eq!(verdict(&serve(&[], move || once(change))), Err(error));
    }
    let payee = |offer: &mut TemplateOffer, _: &mut SetNewPrevHash| {
        (offer.output_count, offer.outputs) = (1, [1, 0, 0, 0, 0, 0, 0, 0, 0].into());
    };
    let unsupported = NodeError::Unsupported("outputs beside the witness commitment".into());
    assert_eq!(verdict(&serve(&[], move || once(payee))), Err(unsupported));
}

#[test]
fn a_frame_without_end_ends_the_connection() {
    for (raw, what) in [
        (
            &[0, 0, 0x74, 0xff, 0xff, 0xff][..],
            "a frame of kind 0x74 announces 16777215 bytes, 8388608 allowed",
        ),
        // A merkle path of 255 hashes, of which none is there.
        (
            &[0, 0, 0x74, 4, 0, 0, 1, 2, 3, 4],
            "RequestTransactionDataSuccess, template_id: the payload ends too soon",
        ),
        (&[0, 0, 0x76, 0, 0, 0], "SubmitSolution, template_id: the payload ends too soon"),
    ] {
        let node = serve(raw, || Box::new(|_, _| ()));
        assert_eq!(verdict(&node), Err(NodeError::Malformed(what.into())));
    }
}

#[test]
fn a_template_whose_transactions_are_gone_is_skipped() {
    let script = || -> Script {
        Box::new(|session, event| match event {
            TemplateServerEvent::Constraints(_) => {
                session.send_template(&offer(1, true)).unwrap();
                session.set_previous(&previous(1)).unwrap();
            }
            TemplateServerEvent::TransactionsRequested { template_id: 1 } => {
                session.refuse_transactions(1, Code::StaleTemplateId).unwrap();
                session.send_template(&offer(2, false)).unwrap();
            }
            TemplateServerEvent::TransactionsRequested { template_id } => {
                // Nobody asked for these.
                session.send_transactions(&EncodedTransactions::new(77, [&[1][..]]).unwrap()).unwrap();
                session.send_transactions(&EncodedTransactions::new(template_id, []).unwrap()).unwrap();
            }
            _ => {}
        })
    };
    let template = verdict(&serve(&[], script)).unwrap();
    assert_eq!(template.coinbase_value.atomic(), 5_000_000_002);
}

#[test]
fn a_provider_that_does_not_want_us_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // SetupConnection.Error: no flags, and a code with a control character in it.
            let code = b"unsupported\x1b-protocol";
            let len = u8::try_from(code.len()).unwrap();
            let _ = stream.write_all(&[&[0, 0, 2, len + 5, 0, 0, 0, 0, 0, 0, len][..], code].concat());
            let _ = stream.read(&mut [0; 1000]);
        }
    });
    let node = TemplateProvider::connect(TemplateProviderConfig::new("127.0.0.1", port).patience(PATIENCE));
    let error = NodeError::Unreachable("the server refuses the connection: unsupported-protocol".into());
    assert_eq!(verdict(&node.unwrap()), Err(error));
}

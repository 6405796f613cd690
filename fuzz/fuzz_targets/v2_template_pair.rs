//! Both sides of template distribution against each other, driven by any program over a wire that chops: neither ever
//! ends the other, and all that is sent arrives as it was sent, in order.
#![no_main]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use otedama_core::{Hash256, Now};
use otedama_stratum::v2::distribution::{
    EncodedTransactions, TemplateClient, TemplateClientConfig, TemplateClientEvent, TemplateOffer,
    TemplateServer, TemplateServerEvent, TemplateSolution, TemplateTransactions,
};
use otedama_stratum::v2::template::{CoinbaseOutputConstraints, SetNewPrevHash};
use otedama_stratum::v2::{Code, U256};

/// Both ends, and what each is still to hear.
struct Table {
    client: TemplateClient,
    server: TemplateServer,
    now: Now,
    piece: usize,
    up: VecDeque<TemplateServerEvent>,
    down: VecDeque<TemplateClientEvent>,
    number: u64,
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, program)) = data.split_first() else { return };
    let now = Now::default();
    let mut table = Table {
        client: TemplateClient::new(TemplateClientConfig::new("h", 1), now),
        server: TemplateServer::new(Arc::default(), now),
        now,
        piece: 1 + usize::from(*piece),
        up: VecDeque::new(),
        down: VecDeque::new(),
        number: 0,
    };
    table.carry();
    while table.server.poll_event().is_some() {}
    while table.client.poll_event().is_some() {}
    assert!(table.server.is_ready() && table.client.is_ready());
    for step in program.chunks_exact(2) {
        table.step(step[0], step[1]);
        if step[0] & 0x80 == 0 || table.up.len() + table.down.len() > 200 {
            table.talk();
        }
    }
    table.talk();
    assert_eq!((table.server.buffered_bytes(), table.client.buffered_bytes()), (0, 0));
});

impl Table {
    fn step(&mut self, what: u8, argument: u8) {
        self.number += 1;
        let (id, sent) = (self.number, "the sides have agreed");
        match what & 0x7f {
            0..=29 => {
                let offer = offer(id, argument);
                self.server.send_template(&offer).expect(sent);
                self.down.push_back(TemplateClientEvent::Template(Box::new(offer)));
            }
            30..=49 => {
                let (prev_hash, target) = (U256([argument; 32]), U256([0xff; 32]));
                let previous = SetNewPrevHash {
                    template_id: id,
                    prev_hash,
                    header_timestamp: 7,
                    nbits: 0x207f_ffff,
                    target,
                };
                self.server.set_previous(&previous).expect(sent);
                self.down.push_back(TemplateClientEvent::Previous(previous));
            }
            50..=69 => {
                let list: Vec<Box<[u8]>> =
                    (0..argument % 9).map(|of| vec![of; usize::from(argument)].into()).collect();
                let encoded =
                    EncodedTransactions::new(id, list.iter().map(|bytes| &bytes[..])).expect("a few");
                self.server.send_transactions(&encoded).expect(sent);
                let given = TemplateTransactions { template_id: id, excess: Box::new([]), list };
                self.down.push_back(TemplateClientEvent::Transactions(given));
            }
            70..=79 => {
                let code = if argument % 2 == 0 { Code::StaleTemplateId } else { Code::TemplateIdNotFound };
                self.server.refuse_transactions(id, code).expect(sent);
                let code = code.as_str().into();
                self.down.push_back(TemplateClientEvent::TransactionsRefused { template_id: id, code });
            }
            80..=94 => {
                self.client.request_transactions(id).expect(sent);
                self.up.push_back(TemplateServerEvent::TransactionsRequested { template_id: id });
            }
            95..=109 => {
                let coinbase = vec![argument; usize::from(argument) * 2].into();
                let solution = TemplateSolution { template_id: id, version: 1, time: 2, nonce: 3, coinbase };
                self.client.submit_solution(&solution).expect(sent);
                self.up.push_back(TemplateServerEvent::Solution(solution));
            }
            110..=119 => {
                let room = CoinbaseOutputConstraints {
                    coinbase_output_max_additional_size: u32::from(argument),
                    coinbase_output_max_additional_sigops: u16::from(argument),
                };
                self.client.set_constraints(room).expect(sent);
                self.up.push_back(TemplateServerEvent::Constraints(room));
            }
            _ => {
                self.talk();
                self.now = self.now.plus(Duration::from_secs(u64::from(argument)));
                self.client.handle_timeout(self.now).expect("the server has answered whatever it was asked");
                self.server.handle_timeout(self.now).expect("a client may be silent");
            }
        }
    }

    fn carry(&mut self) {
        loop {
            let up: Vec<u8> = std::iter::from_fn(|| self.client.poll_transmit()).flatten().collect();
            let down: Vec<u8> = std::iter::from_fn(|| self.server.poll_transmit()).flatten().collect();
            if up.is_empty() && down.is_empty() {
                return;
            }
            for bytes in up.chunks(self.piece) {
                self.server.handle_input(bytes, self.now).expect("a client that keeps the rules");
            }
            for bytes in down.chunks(self.piece) {
                self.client.handle_input(bytes, self.now).expect("a server that keeps the rules");
            }
        }
    }

    /// Carries everything, and answers what the client asks by itself after a long silence.
    fn talk(&mut self) {
        self.carry();
        while let Some(event) = self.server.poll_event() {
            if event == (TemplateServerEvent::TransactionsRequested { template_id: u64::MAX }) {
                self.server.refuse_transactions(u64::MAX, Code::TemplateIdNotFound).expect("it has agreed");
                continue;
            }
            assert_eq!(Some(event), self.up.pop_front());
        }
        self.carry();
        while let Some(event) = self.client.poll_event() {
            assert_eq!(Some(event), self.down.pop_front());
        }
        assert!(self.up.is_empty() && self.down.is_empty(), "everything arrives");
    }
}

fn offer(template_id: u64, argument: u8) -> TemplateOffer {
    TemplateOffer {
        template_id,
        future: argument % 2 == 0,
        version: 0x2000_0000,
        coinbase_version: 2,
        coinbase_prefix: vec![argument; usize::from(argument % 9)].into(),
        coinbase_sequence: u32::MAX,
        coinbase_value: u64::from(argument) << 40,
        output_count: u32::from(argument),
        outputs: vec![argument; usize::from(argument)].into(),
        lock_time: 0,
        merkle_path: (0..argument % 33).map(|byte| Hash256::from_internal([byte; 32])).collect(),
    }
}

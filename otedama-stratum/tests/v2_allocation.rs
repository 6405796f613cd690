//! The codec of Stratum V2 allocates nothing, whatever it reads or writes.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::hint::black_box;

use allocation_counter::measure;
use otedama_stratum::v2::mining::{NewExtendedMiningJob, SubmitSharesExtended};
use otedama_stratum::v2::template::RequestTransactionDataSuccess;
use otedama_stratum::v2::{B0_16M, Encode, Frame, Message, Octets, Seq, Tlv, U256};

const SHARE: SubmitSharesExtended<'static> = SubmitSharesExtended {
    channel_id: 2,
    sequence_number: 7,
    job_id: 1,
    nonce: 0x1234_5678,
    ntime: 1_700_000_000,
    version: 0x2000_0000,
    extranonce: Octets::EMPTY,
};

fn write(message: &impl Encode, buffer: &mut [u8]) -> usize {
    message.encode(buffer).unwrap()
}

/// Reads a frame and everything in it.
fn read(bytes: &[u8]) {
    let (frame, _) = Frame::split(bytes, bytes.len()).unwrap().unwrap();
    let Ok((message, tlvs)) = Message::parse(frame) else { return };
    match message {
        Message::NewExtendedMiningJob(job) => assert_eq!(black_box(job.merkle_path.iter()).count(), 12),
        Message::RequestTransactionDataSuccess(data) => {
            assert_eq!(data.transaction_list.iter().map(|bytes| bytes.as_bytes().len()).sum::<usize>(), 700);
        }
        other => drop(black_box(other)),
    }
    black_box(tlvs.worker_name());
    black_box(tlvs.count());
}

#[test]
fn reading_and_writing_allocate_nothing() {
    let mut buffer = [0; 2048];
    let path = [U256([7; 32]); 12];
    let transactions = [B0_16M::new(&[1; 350]).unwrap(); 2];
    let found = measure(|| {
        let len = write(&SHARE, &mut buffer);
        read(&buffer[..len]);
        let tlvs = [Tlv::worker_name("rig1").unwrap()];
        let len = write(&SHARE.with(&tlvs), &mut buffer);
        read(&buffer[..len]);
        buffer[30] = 33;
        read(&buffer[..len]);
        let job = NewExtendedMiningJob {
            channel_id: 1,
            job_id: 2,
            min_ntime: None,
            version: 3,
            version_rolling_allowed: true,
            merkle_path: Seq::new(&path).unwrap(),
            coinbase_tx_prefix: Octets::new(&[1; 99]).unwrap(),
            coinbase_tx_suffix: Octets::new(&[2; 99]).unwrap(),
        };
        let len = write(&job, &mut buffer);
        read(&buffer[..len]);
        let data = RequestTransactionDataSuccess {
            template_id: 1,
            excess_data: Octets::EMPTY,
            transaction_list: Seq::new(&transactions).unwrap(),
        };
        let len = write(&Message::from(data), &mut buffer);
        read(&buffer[..len]);
        let unknown = Frame { extension: 0x4000, channel: false, kind: 1, payload: &[1; 99] };
        let len = write(&unknown, &mut buffer);
        read(&buffer[..len]);
    });
    assert_eq!(found.count_total, 0);
}

/// The counter counts, or the test above says nothing.
#[test]
fn a_vector_is_an_allocation() {
    let found = measure(|| SHARE.append(black_box(&mut Vec::new())).unwrap());
    assert_eq!(found.count_total, 1);
}

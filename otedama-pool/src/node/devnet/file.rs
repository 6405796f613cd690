//! The append-only file in which a chain survives its process.
//!
//! Each record is a kind, a length, that many bytes and a checksum. A record that was not wholly written when its
//! process was killed is cut off; a whole one with a wrong checksum is an error unless it is the last.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use otedama_core::Hash256;

use super::DevnetError;

/// What a record is about. The numbers stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What chain it is; the first record.
    Chain = 0,
    /// A block, serialised.
    Block = 1,
    /// The hash of a block that was declared invalid.
    Invalid = 2,
    /// A transaction, behind eight bytes of fee.
    Transaction = 3,
}

/// A record as read back.
pub(super) type Record = (Kind, Vec<u8>);

/// The open file, positioned at its end.
#[derive(Debug)]
pub(super) struct ChainFile(File);

const FRAME: usize = 1 + 4 + 4;

impl ChainFile {
    /// Opens or makes the file, for this process alone, and returns what it holds.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Record>), DevnetError> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(|_| DevnetError::FileInUse)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (records, good) = read_records(&bytes)?;
        if records.is_empty() && !bytes.is_empty() {
            // Somebody else's file is not ours to cut.
            return Err(DevnetError::FileDamaged { offset: 0 });
        }
        file.set_len(u64::try_from(good).unwrap_or(u64::MAX))?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self(file), records))
    }

    /// Adds a record; when this returns, it survives the process and the machine.
    pub(super) fn append(&mut self, kind: Kind, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(std::io::Error::other)?.to_le_bytes();
        let checksum = checksum(kind as u8, payload);
        self.0.write_all(&[&[kind as u8], length.as_slice(), payload, &checksum].concat())?;
        self.0.sync_data()
    }
}

/// The records, and where the last good one ends.
fn read_records(bytes: &[u8]) -> Result<(Vec<Record>, usize), DevnetError> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some((kind, payload, sum)) = split_record(&bytes[at..]) {
        let end = at + FRAME + payload.len();
        let known = [Kind::Chain, Kind::Block, Kind::Invalid, Kind::Transaction];
        let found = known.into_iter().find(|known| *known as u8 == kind);
        match found.filter(|_| checksum(kind, payload) == sum) {
            Some(kind) => records.push((kind, payload.to_vec())),
            None if end == bytes.len() => break,
            None => return Err(DevnetError::FileDamaged { offset: at }),
        }
        at = end;
    }
    Ok((records, at))
}

fn split_record(bytes: &[u8]) -> Option<(u8, &[u8], [u8; 4])> {
    let (&kind, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (payload, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((kind, payload, *rest.first_chunk()?))
}

fn checksum(kind: u8, payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = *Hash256::sha256d_of(&[&[kind], payload]).as_internal();
    [a, b, c, d]
}

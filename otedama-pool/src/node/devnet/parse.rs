//! Reads blocks and transactions as they stand on the wire; knows nothing of how the pool makes them.

use otedama_core::Hash256;

/// A block, taken apart.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) header: [u8; 80],
    pub(super) version: i32,
    pub(super) previous: Hash256,
    pub(super) merkle_root: Hash256,
    pub(super) time: u32,
    pub(super) bits: u32,
    pub(super) transactions: Vec<Transaction>,
    pub(super) size: usize,
    pub(super) stripped_size: usize,
}

/// A transaction, taken apart.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) txid: Hash256,
    pub(super) wtxid: Hash256,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<Output>,
    pub(super) lock_time: u32,
    pub(super) size: usize,
    pub(super) stripped_size: usize,
}

#[derive(Debug)]
pub(super) struct Input {
    /// Spends nothing: the mark of a coinbase.
    pub(super) null: bool,
    pub(super) script: Vec<u8>,
    pub(super) sequence: u32,
    pub(super) witness: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Output {
    pub(super) units: u64,
    pub(super) script: Vec<u8>,
}

impl Block {
    /// `None` if the bytes are not exactly one block.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let header: [u8; 80] = *bytes.first_chunk()?;
        let mut reader = Reader { bytes, at: 80 };
        let count = reader.length()?;
        let frame = reader.at;
        let mut transactions = Vec::new();
        for _ in 0..count {
            transactions.push(Transaction::read(&mut reader)?);
        }
        if reader.at != bytes.len() {
            return None;
        }
        let mut fields = Reader { bytes: &header, at: 0 };
        Some(Self {
            version: fields.u32()?.cast_signed(),
            previous: fields.hash()?,
            merkle_root: fields.hash()?,
            time: fields.u32()?,
            bits: fields.u32()?,
            header,
            size: bytes.len(),
            stripped_size: frame
                + transactions.iter().map(|transaction| transaction.stripped_size).sum::<usize>(),
            transactions,
        })
    }

    pub(super) fn hash(&self) -> Hash256 {
        Hash256::sha256d(&self.header)
    }

    pub(super) const fn weight(&self) -> usize {
        3 * self.stripped_size + self.size
    }
}

impl Transaction {
    /// `None` if the bytes are not exactly one transaction.
    pub(super) fn read_whole(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 0 };
        let transaction = Self::read(&mut reader)?;
        (reader.at == bytes.len()).then_some(transaction)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let start = reader.at;
        reader.take(4)?;
        let segwit = reader.bytes.get(reader.at) == Some(&0);
        if segwit && *reader.take(2)? != [0, 1] {
            return None;
        }
        let body = reader.at;
        let mut inputs = reader.list(Input::read)?;
        let outputs = reader.list(Output::read)?;
        let body_end = reader.at;
        if segwit {
            for input in &mut inputs {
                input.witness = reader.list(Reader::blob)?;
            }
            if inputs.iter().all(|input| input.witness.is_empty()) {
                return None;
            }
        }
        let lock_time = reader.u32()?;
        let whole = reader.bytes.get(start..reader.at)?;
        let stripped =
            [whole.get(..4)?, reader.bytes.get(body..body_end)?, whole.get(whole.len() - 4..)?].concat();
        Some(Self {
            txid: Hash256::sha256d(&stripped),
            wtxid: Hash256::sha256d(whole),
            inputs,
            outputs,
            lock_time,
            size: whole.len(),
            stripped_size: stripped.len(),
        })
    }

    pub(super) fn is_coinbase(&self) -> bool {
        matches!(self.inputs.as_slice(), [only] if only.null)
    }

    pub(super) fn has_witness(&self) -> bool {
        self.inputs.iter().any(|input| !input.witness.is_empty())
    }

    pub(super) const fn weight(&self) -> usize {
        3 * self.stripped_size + self.size
    }

    /// Signature operations in its scripts, each of which costs four in a block.
    pub(super) fn sigops(&self) -> usize {
        let inputs = self.inputs.iter().map(|input| sigops(&input.script));
        inputs.chain(self.outputs.iter().map(|output| sigops(&output.script))).sum()
    }
}

impl Input {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (spent, index) = (reader.hash()?, reader.u32()?);
        let null = spent == Hash256::ZERO && index == u32::MAX;
        Some(Self { null, script: reader.blob()?, sequence: reader.u32()?, witness: Vec::new() })
    }
}

impl Output {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { units: reader.u64()?, script: reader.blob()? })
    }
}

/// The bytes and how far they have been read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.number().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.number().map(u64::from_le_bytes)
    }

    fn hash(&mut self) -> Option<Hash256> {
        self.number().map(Hash256::from_internal)
    }

    /// A variable-length number in its shortest form, as nodes insist.
    fn length(&mut self) -> Option<usize> {
        let first = *self.take(1)?.first()?;
        let (value, least) = match first {
            0xfd => (u64::from(u16::from_le_bytes(self.number()?)), 0xfd),
            0xfe => (u64::from(self.u32()?), 0x1_0000),
            0xff => (self.u64()?, 0x1_0000_0000),
            small => (u64::from(small), 0),
        };
        (value >= least).then_some(value).and_then(|value| usize::try_from(value).ok())
    }

    fn blob(&mut self) -> Option<Vec<u8>> {
        let length = self.length()?;
        self.take(length).map(<[u8]>::to_vec)
    }

    /// A counted list. It is not believed in advance: each item costs bytes that must be there.
    fn list<T>(&mut self, read: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.length()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Some(items)
    }
}

fn sigops(script: &[u8]) -> usize {
    let mut reader = Reader { bytes: script, at: 0 };
    let mut count = 0;
    while let Some(opcode) = reader.take(1) {
        let data = match opcode {
            [length @ 0x01..=0x4b] => Some(usize::from(*length)),
            [0x4c] => reader.number().map(|[length]: [u8; 1]| usize::from(length)),
            [0x4d] => reader.number().map(|length| usize::from(u16::from_le_bytes(length))),
            [0x4e] => reader.u32().and_then(|length| usize::try_from(length).ok()),
            [0xac | 0xad] => {
                count += 1;
                Some(0)
            }
            [0xae | 0xaf] => {
                count += 20;
                Some(0)
            }
            _ => Some(0),
        };
        if data.and_then(|data| reader.take(data)).is_none() {
            break;
        }
    }
    count
}

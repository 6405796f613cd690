//! The transaction that pays the finder, around the extranonce.

use otedama_core::coinbase::{MAX_EXTRANONCE, height_push};
use otedama_core::{Amount, CoinbaseHalves};

use super::{Template, TemplateError, compact_size};

/// What the chain allows for the `scriptSig` of a coinbase.
const MAX_SCRIPT_SIG: usize = 100;
/// What the height takes of it at most: a length and five bytes.
const MAX_HEIGHT_PUSH: usize = 6;
/// The longest push whose opcode is its length.
const MAX_PUSH: usize = 75;
/// Weight of the coinbase's witness: marker and flag, one item of 32 bytes.
const WITNESS_WEIGHT: u64 = 36;
/// Neither final, which BIP 54 forbids, nor a relative lock.
const SEQUENCE: u32 = 0xffff_fffe;

/// Three numbers beside the extranonce that no two jobs of any life of any node share, so that no header that was
/// ever worth money can come up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// The node of the pool that made the job.
    pub node: u16,
    /// How often that node had started before.
    pub boot: u32,
    /// The job's number within this life of the node.
    pub job: u32,
}

impl Marker {
    /// Bytes in the coinbase.
    pub const LEN: usize = 10;

    /// Node, boot and job, most significant byte first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..2].copy_from_slice(&self.node.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.boot.to_be_bytes());
        bytes[6..].copy_from_slice(&self.job.to_be_bytes());
        bytes
    }
}

/// What a coinbase is to hold, apart from what the template dictates.
///
/// The tag and the length of the extranonce fit by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoinbasePlan {
    tag: Box<[u8]>,
    extranonce_len: usize,
    /// What makes the job unique.
    pub marker: Marker,
    /// Who is paid how much, in this order; together exactly the template's coinbase value.
    pub outputs: Vec<CoinbaseOutput>,
}

/// One payment of a coinbase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinbaseOutput {
    /// The script that is paid.
    pub script: Box<[u8]>,
    /// How much.
    pub amount: Amount,
}

impl CoinbasePlan {
    /// A plan with this tag and room for this many bytes of extranonce, prefix and rolled part together.
    ///
    /// # Errors
    /// [`TemplateError::ExtranonceLength`] unless there are 1 to 32 bytes, [`TemplateError::TagTooLong`] if the tag is
    /// longer than [`longest_tag`](Self::longest_tag).
    pub fn new(
        tag: &[u8],
        extranonce_len: usize,
        marker: Marker,
        outputs: Vec<CoinbaseOutput>,
    ) -> Result<Self, TemplateError> {
        let wrong = TemplateError::ExtranonceLength(extranonce_len);
        let limit = Self::longest_tag(extranonce_len).ok_or(wrong)?;
        if tag.len() > limit {
            return Err(TemplateError::TagTooLong { len: tag.len(), limit });
        }
        Ok(Self { tag: tag.into(), extranonce_len, marker, outputs })
    }

    /// Bytes of tag that fit beside an extranonce of this length at any height; `None` unless the extranonce has 1 to
    /// 32 bytes.
    #[must_use]
    pub const fn longest_tag(extranonce_len: usize) -> Option<usize> {
        if extranonce_len == 0 || extranonce_len > MAX_EXTRANONCE {
            return None;
        }
        // A length byte before the marker, another one before the tag.
        let left = MAX_SCRIPT_SIG - MAX_HEIGHT_PUSH - 1 - Marker::LEN - extranonce_len - 1;
        Some(if left < MAX_PUSH { left } else { MAX_PUSH })
    }

    /// The text in every coinbase.
    #[must_use]
    pub const fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// Bytes of extranonce, prefix and rolled part together.
    #[must_use]
    pub const fn extranonce_len(&self) -> usize {
        self.extranonce_len
    }
}

impl Template {
    /// The coinbase for this template, cut where the extranonce goes.
    ///
    /// Version 2; the `scriptSig` holds the height (BIP 34), one push of marker and extranonce, one push of the tag;
    /// the outputs of the plan are followed by the witness commitment; sequence and lock time are what BIP 54 asks for.
    ///
    /// # Errors
    /// [`TemplateError::Unbalanced`] unless the outputs add up to exactly the template's coinbase value,
    /// [`TemplateError::NoOutputs`] if there are none: the caller is at fault. [`TemplateError::Weight`] and
    /// [`TemplateError::Sigops`] if the coinbase does not fit into the room that the node left.
    pub fn coinbase(&self, plan: &CoinbasePlan) -> Result<CoinbaseHalves, TemplateError> {
        let value = self.coinbase_value;
        let sum = Amount::checked_sum(plan.outputs.iter().map(|output| output.amount));
        let paid = sum.unwrap_or(Amount::from_atomic(u128::MAX));
        if paid != value {
            return Err(TemplateError::Unbalanced { paid, value });
        }
        let prefix = self.coinbase_prefix(plan);
        let suffix = self.coinbase_suffix(plan)?;
        let stripped = prefix.len() + plan.extranonce_len + suffix.len();
        let witness = if self.witness_commitment.is_some() { WITNESS_WEIGHT } else { 0 };
        let weight = u64::try_from(4 * stripped).unwrap_or(u64::MAX).saturating_add(witness);
        let sigops: u64 = plan.outputs.iter().map(|output| script_sigops(&output.script)).sum();
        self.check_room(weight, 4 * sigops)?;
        Ok(CoinbaseHalves { prefix: prefix.into(), suffix: suffix.into() })
    }

    fn coinbase_prefix(&self, plan: &CoinbasePlan) -> Vec<u8> {
        let height = height_push(self.height);
        let unique = Marker::LEN + plan.extranonce_len;
        let tag = if plan.tag.is_empty() { 0 } else { 1 + plan.tag.len() };
        let mut out = 2u32.to_le_bytes().to_vec();
        out.push(1);
        out.extend_from_slice(&[0; 32]);
        out.extend_from_slice(&[0xff; 4]);
        compact_size(height.len() + 1 + unique + tag, &mut out);
        out.extend_from_slice(&height);
        push_length(unique, &mut out);
        out.extend_from_slice(&plan.marker.to_bytes());
        out
    }

    fn coinbase_suffix(&self, plan: &CoinbasePlan) -> Result<Vec<u8>, TemplateError> {
        let mut out = Vec::new();
        if !plan.tag.is_empty() {
            push_length(plan.tag.len(), &mut out);
            out.extend_from_slice(&plan.tag);
        }
        out.extend_from_slice(&SEQUENCE.to_le_bytes());
        let count = plan.outputs.len() + usize::from(self.witness_commitment.is_some());
        if count == 0 {
            return Err(TemplateError::NoOutputs);
        }
        compact_size(count, &mut out);
        for CoinbaseOutput { script, amount } in &plan.outputs {
            let unbalanced = TemplateError::Unbalanced { paid: *amount, value: self.coinbase_value };
            let units = u64::try_from(amount.atomic()).map_err(|_| unbalanced)?;
            output(units, script, &mut out);
        }
        if let Some(script) = &self.witness_commitment {
            output(0, script, &mut out);
        }
        out.extend_from_slice(&self.height.saturating_sub(1).to_le_bytes());
        Ok(out)
    }
}

fn output(units: u64, script: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&units.to_le_bytes());
    compact_size(script.len(), out);
    out.extend_from_slice(script);
}

/// The opcode before at most [`MAX_PUSH`] bytes.
fn push_length(length: usize, out: &mut Vec<u8>) {
    out.push(u8::try_from(length).unwrap_or(u8::MAX));
}

/// Signature operations of an output script as nodes count them for the block's limit, before the factor of four.
fn script_sigops(script: &[u8]) -> u64 {
    let mut rest = script;
    let mut count = 0;
    while let Some((&opcode, behind)) = rest.split_first() {
        let (data, behind) = match (opcode, behind) {
            (1..=75, _) => (usize::from(opcode), behind),
            (0x4c, [length, behind @ ..]) => (usize::from(*length), behind),
            (0x4d, [a, b, behind @ ..]) => (usize::from(u16::from_le_bytes([*a, *b])), behind),
            (0x4c..=0x4e, _) => return count,
            (0xac | 0xad, _) => {
                count += 1;
                (0, behind)
            }
            (0xae | 0xaf, _) => {
                count += 20;
                (0, behind)
            }
            _ => (0, behind),
        };
        let Some(behind) = behind.get(data..) else { return count };
        rest = behind;
    }
    count
}

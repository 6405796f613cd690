//! The dialect of Bitcoin, Litecoin and their relatives: what stands in notify and submit.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;
use core::fmt::Write as _;

use otedama_core::coinbase::MAX_EXTRANONCE;
use otedama_core::{
    Algorithm, BitcoinSource, ChannelId, CoinbaseHalves, CompactTarget, Difficulty, Extranonce, Hash256,
    HexError, JobId, Reject, Share, Target, hex,
};

use crate::limits::ClientLimits;
use crate::v1::json::{Items, Raw};
use crate::v1::message::Text;

/// `mining.submit` with its fields still as text.
#[derive(Debug)]
pub(crate) struct Submit<'a> {
    pub(crate) worker: Cow<'a, str>,
    job: Cow<'a, str>,
    extranonce2: Cow<'a, str>,
    ntime: Cow<'a, str>,
    nonce: Cow<'a, str>,
    version_bits: Option<Cow<'a, str>>,
}

/// Why the fields of a submit are no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadShare {
    #[error("submit takes worker, job id, extranonce2, ntime, nonce and perhaps version bits, all strings")]
    Fields,
    #[error("{field}: {error}")]
    Hex { field: &'static str, error: HexError },
    #[error(transparent)]
    Reject(#[from] Reject),
}

impl<'a> Submit<'a> {
    pub(crate) fn read(params: &Items<'a>) -> Option<Self> {
        let version_bits = match params.get(5) {
            bits if bits.is_null() => None,
            bits => Some(bits.text()?),
        };
        Some(Self {
            worker: params.text(0)?,
            job: params.text(1)?,
            extranonce2: params.text(2)?,
            ntime: params.text(3)?,
            nonce: params.text(4)?,
            version_bits,
        })
    }

    /// The share that it claims. Its extranonce2 must have the announced length.
    pub(crate) fn share(&self, terms: Announced) -> Result<Share, BadShare> {
        let job = job_id(&self.job).ok_or(Reject::UnknownJob)?;
        let field = |field| move |error| BadShare::Hex { field, error };
        let extranonce2 = Extranonce::from_hex(&self.extranonce2).map_err(field("extranonce2"))?;
        if extranonce2.len() != terms.extranonce2_len {
            let (expected, found) = (terms.extranonce2_len, extranonce2.len());
            return Err(Reject::Extranonce2Length { expected, found }.into());
        }
        let ntime = hex::decode_u32(self.ntime.as_bytes()).map_err(field("ntime"))?;
        let nonce = hex::decode_u32(self.nonce.as_bytes()).map_err(field("nonce"))?;
        let bits = self.version_bits.as_ref().map(|bits| hex::decode_u32(bits.as_bytes()));
        let bits = bits.transpose().map_err(field("version bits"))?;
        let mut share = Share::new(ChannelId(0), job, extranonce2, ntime, u64::from(nonce));
        // Some firmware sends zero bits where nothing was negotiated: nothing is rolled.
        share.version_bits = bits.filter(|bits| *bits != 0 || terms.version_mask != 0);
        Ok(share)
    }
}

/// What the connection was told about the shape of shares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announced {
    pub(crate) extranonce2_len: usize,
    pub(crate) version_mask: u32,
}

/// A job id as this server writes them: hex without leading zeros.
fn job_id(text: &str) -> Option<JobId> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let leading = text.len() > 1 && text.starts_with('0');
    if !digits || leading {
        return None;
    }
    u32::from_str_radix(text, 16).ok().map(JobId)
}

/// Everything of `mining.notify` between the job id and the clean flag, with its commas.
pub(crate) fn notify_body(out: &mut String, source: &BitcoinSource) {
    out.push_str(",\"");
    hex::encode_into(&swapped(&source.previous), out);
    for half in [&source.coinbase.prefix, &source.coinbase.suffix] {
        out.push_str("\",\"");
        hex::encode_into(half, out);
    }
    out.push_str("\",[");
    for (index, sibling) in source.merkle_path.iter().enumerate() {
        out.push_str(if index == 0 { "\"" } else { ",\"" });
        hex::encode_into(sibling.as_internal(), out);
        out.push('"');
    }
    let (version, nbits, ntime) = (source.version, source.nbits, source.ntime);
    // Writing to a string cannot fail.
    let _ = write!(out, "],\"{version:08x}\",\"{nbits}\",\"{ntime:08x}\"");
}

/// The id of a block with the bytes of each 32-bit word reversed, as `mining.notify` has it. Its own inverse.
fn swapped(hash: &Hash256) -> [u8; 32] {
    let mut bytes = *hash.as_internal();
    for word in bytes.chunks_exact_mut(4) {
        word.reverse();
    }
    bytes
}

/// The number of `mining.set_difficulty` for a share target: the miner's reading of it is never easier.
///
/// A target that came from such a number gives a number that reads as exactly that target.
pub(crate) fn difficulty_number(algorithm: Algorithm, target: Target) -> f64 {
    let read = |number| Difficulty::from_f64(algorithm, number).map_or(Target::ZERO, Difficulty::target);
    let mut number = Difficulty::from_target(algorithm, target).as_f64().min(f64::MAX);
    // The quotient of two rounded numbers is off by a few units in the last place at most.
    for _ in 0..8 {
        match read(number).cmp(&target) {
            Ordering::Equal => break,
            Ordering::Greater => number = number.next_up(),
            Ordering::Less if read(number.next_down()) <= target => number = number.next_down(),
            Ordering::Less => break,
        }
    }
    number
}

/// The target of a suggested difficulty; `None` if the number is none.
pub(crate) fn suggested(algorithm: Algorithm, number: f64) -> Option<Target> {
    Difficulty::from_f64(algorithm, number).ok().map(Difficulty::target)
}

/// `mining.notify` in its types.
#[derive(Debug)]
pub(crate) struct Notify {
    pub(crate) job: String,
    pub(crate) source: BitcoinSource,
    pub(crate) clean: bool,
}

impl Notify {
    /// `None` if anything in it is not what it should be or exceeds a limit.
    pub(crate) fn read(params: &Items<'_>, limits: &ClientLimits) -> Option<Self> {
        let job = params.text(0).filter(|job| job.len() <= limits.id)?.into_owned();
        let previous = hex::decode_array(params.text(1)?.as_bytes()).ok().map(Hash256::from_internal)?;
        let (prefix, suffix) = (params.text(2)?, params.text(3)?);
        if prefix.len() + suffix.len() > 2 * limits.coinbase {
            return None;
        }
        let half = |text: &str| hex::decode(text.as_bytes()).ok().map(Into::into);
        let coinbase = CoinbaseHalves { prefix: half(&prefix)?, suffix: half(&suffix)? };
        let siblings = params.get(4).list(limits.merkle_path)?;
        let merkle_path = siblings.iter().map(|sibling| hash(*sibling)).collect::<Option<_>>()?;
        let number = |index| hex::decode_u32(params.text(index)?.as_bytes()).ok();
        let source = BitcoinSource {
            version: number(5)?,
            previous: Hash256::from_internal(swapped(&previous)),
            coinbase,
            merkle_path,
            nbits: CompactTarget::from_bits(number(6)?),
            ntime: number(7)?,
        };
        Some(Self { job, source, clean: params.get(8).boolean()? })
    }
}

fn hash(text: Raw<'_>) -> Option<Hash256> {
    hex::decode_array(text.text()?.as_bytes()).ok().map(Hash256::from_internal)
}

/// A channel: the prefix that the server chose and the bytes that are left to roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) prefix: Extranonce,
    pub(crate) extranonce2_len: usize,
}

impl Channel {
    /// From a prefix in hex and a length; there must be something to roll, and the whole must fit.
    pub(crate) fn read(prefix: Raw<'_>, len: Option<u64>) -> Option<Self> {
        let prefix = Extranonce::from_hex(&prefix.text()?).ok()?;
        let extranonce2_len = usize::try_from(len?).ok()?;
        let fits = extranonce2_len >= 1 && extranonce2_len <= MAX_EXTRANONCE - prefix.len();
        fits.then_some(Self { prefix, extranonce2_len })
    }
}

/// The parameters of `mining.submit`, with these bits of the version.
pub(crate) fn submit_params(
    user: &str,
    job: &str,
    share: &Share,
    nonce: u32,
    version_bits: Option<u32>,
) -> String {
    let (extranonce2, ntime) = (share.extranonce2, share.ntime);
    let (user, job) = (Text(user), Text(job));
    let mut out = format!("[{user},{job},\"{extranonce2}\",\"{ntime:08x}\",\"{nonce:08x}\"");
    if let Some(bits) = version_bits {
        // Writing to a string cannot fail.
        let _ = write!(out, ",\"{bits:08x}\"");
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(number: f64) -> Target {
        let text = format!("{number}");
        Difficulty::from_f64(Algorithm::SCRYPT, text.parse().unwrap()).unwrap().target()
    }

    #[test]
    fn round_difficulties_look_round() {
        for number in ["1", "65536", "0.5", "0.1", "0.00015", "1000000000000", "3.3"] {
            let target = Difficulty::from_f64(Algorithm::SCRYPT, number.parse().unwrap()).unwrap().target();
            assert_eq!(format!("{}", difficulty_number(Algorithm::SCRYPT, target)), number);
        }
    }

    proptest! {
        #[test]
        fn a_difficulty_survives_the_wire(mantissa in 1u32.., shift in -60i32..60) {
            let number = f64::from(mantissa) * 2f64.powi(shift);
            let target = Difficulty::from_f64(Algorithm::SCRYPT, number).unwrap().target();
            prop_assert_eq!(read(difficulty_number(Algorithm::SCRYPT, target)), target);
        }

        #[test]
        fn a_target_is_never_announced_as_an_easier_one(bytes: [u8; 32], zeros in 0usize..28) {
            let mut bytes = bytes;
            bytes[..zeros].fill(0);
            bytes[31] |= 1;
            let target = Target::from_be_bytes(bytes);
            prop_assert!(read(difficulty_number(Algorithm::SCRYPT, target)) <= target);
        }

        #[test]
        fn words_are_swapped_twice_to_nothing(bytes: [u8; 32]) {
            let hash = Hash256::from_internal(bytes);
            prop_assert_eq!(swapped(&Hash256::from_internal(swapped(&hash))), bytes);
        }
    }
}

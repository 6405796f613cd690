//! A node's template as it is offered to clients, each with as much room for its outputs as it asked for.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use otedama_core::coinbase::height_push;
use otedama_core::{Hash256, Header};
use otedama_stratum::v2::distribution::{EncodedTransactions, TemplateOffer, TemplateSolution};
use otedama_stratum::v2::template::{CoinbaseOutputConstraints, SetNewPrevHash};

use crate::limits::provider::MAX_VARIANTS;
use crate::template::Template;
use crate::template::transaction::Serialised;

/// Weight of a block's frame and of a coinbase without the client's outputs, by chapter 7 of the specification.
const BASE_WEIGHT: u64 = 1168;
/// What Bitcoin Core reserves at least.
const LEAST_WEIGHT: u64 = 2000;

/// One template of a node. Its variants have numbers of their own.
#[derive(Debug)]
pub(super) struct Round {
    template: Arc<Template>,
    variants: Mutex<Vec<Arc<Variant>>>,
}

/// A template with as many transactions as leave the room that some clients asked for.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) id: u64,
    pub(super) template: Arc<Template>,
    merkle_path: Box<[Hash256]>,
    encoded: OnceLock<Option<EncodedTransactions>>,
}

/// What a client's solution makes.
#[derive(Debug)]
pub(super) struct Solved {
    pub(super) header: Header,
    pub(super) block: Vec<u8>,
}

impl Round {
    pub(super) const fn new(template: Arc<Template>) -> Self {
        Self { template, variants: Mutex::new(Vec::new()) }
    }

    pub(super) const fn template(&self) -> &Arc<Template> {
        &self.template
    }

    /// Whether a client that has this round learns nothing from the template.
    pub(super) fn is_same(&self, template: &Template) -> bool {
        let ours = &self.template;
        let ids = |template: &Template| -> Vec<_> {
            template.transactions.iter().map(|transaction| transaction.wtxid).collect()
        };
        (ours.previous, ours.version, ours.nbits) == (template.previous, template.version, template.nbits)
            && (ours.coinbase_value, ours.height) == (template.coinbase_value, template.height)
            && ids(ours) == ids(template)
    }

    /// The variant for these constraints; a new one gets a number from `next_id`. `None` if no block has such room, or
    /// transactions would have to go of which it is not told what they pay.
    pub(super) fn variant(
        &self,
        room: &CoinbaseOutputConstraints,
        next_id: impl FnOnce() -> u64,
    ) -> Option<Arc<Variant>> {
        let count = fitting(&self.template, room)?;
        let mut variants = self.variants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = variants.iter().find(|known| known.template.transactions.len() == count) {
            return Some(Arc::clone(known));
        }
        // Clients of many kinds: those with the most transactions that still leave enough room will do.
        if variants.len() >= MAX_VARIANTS {
            let fitting = variants.iter().filter(|known| known.template.transactions.len() < count);
            return fitting.max_by_key(|known| known.template.transactions.len()).cloned();
        }
        let whole = count == self.template.transactions.len();
        let template =
            if whole { Arc::clone(&self.template) } else { Arc::new(self.template.truncated(count)?) };
        let merkle_path = template.merkle_path();
        let variant = Variant { id: next_id(), template, merkle_path, encoded: OnceLock::new() };
        let variant = Arc::new(variant);
        variants.push(Arc::clone(&variant));
        Some(variant)
    }

    /// The variant of this number.
    pub(super) fn find(&self, id: u64) -> Option<Arc<Variant>> {
        let variants = self.variants.lock().unwrap_or_else(PoisonError::into_inner);
        variants.iter().find(|variant| variant.id == id).cloned()
    }
}

impl Variant {
    /// The template as the protocol tells it. The coinbase's version, sequence number and lock time are those that the
    /// pool itself uses.
    pub(super) fn offer(&self, future: bool) -> Option<TemplateOffer> {
        let template = &self.template;
        let mut outputs = Vec::new();
        if let Some(script) = &template.witness_commitment {
            outputs.extend_from_slice(&[0; 8]);
            outputs.push(u8::try_from(script.len()).ok().filter(|length| *length < 0xfd)?);
            outputs.extend_from_slice(script);
        }
        Some(TemplateOffer {
            template_id: self.id,
            future,
            version: template.version,
            coinbase_version: 2,
            coinbase_prefix: height_push(template.height).into(),
            coinbase_sequence: 0xffff_fffe,
            coinbase_value: u64::try_from(template.coinbase_value.atomic()).ok()?,
            output_count: u32::from(template.witness_commitment.is_some()),
            outputs: outputs.into(),
            lock_time: template.height.saturating_sub(1),
            merkle_path: self.merkle_path.clone(),
        })
    }

    /// The tip that the template builds on.
    pub(super) fn previous(&self) -> Option<SetNewPrevHash> {
        let template = &self.template;
        Some(SetNewPrevHash {
            template_id: self.id,
            prev_hash: template.previous.into(),
            header_timestamp: template.curtime.max(template.mintime),
            nbits: template.nbits.to_bits(),
            target: template.nbits.target().ok()?.into(),
        })
    }

    /// Its transactions, encoded once for all; `None` if they fit no message.
    pub(super) fn transactions(&self) -> Option<&EncodedTransactions> {
        let encode = || {
            let list = self.template.transactions.iter().map(|transaction| &*transaction.data);
            EncodedTransactions::new(self.id, list).ok()
        };
        self.encoded.get_or_init(encode).as_ref()
    }

    /// The block of a solution; `None` if its coinbase is no transaction. Its proof of work is yet to be judged.
    pub(super) fn solve(&self, solution: &TemplateSolution) -> Option<Solved> {
        let coinbase = Serialised::read(&solution.coinbase)?;
        let root = otedama_core::coinbase::merkle_root(coinbase.txid(), &self.merkle_path);
        let header = [
            &solution.version.to_le_bytes()[..],
            self.template.previous.as_internal(),
            root.as_internal(),
            &solution.time.to_le_bytes(),
            &self.template.nbits.to_bits().to_le_bytes(),
            &solution.nonce.to_le_bytes(),
        ];
        let header = Header::new(&header.concat())?;
        let block = self.template.block(&header, &coinbase.stripped());
        Some(Solved { header, block })
    }
}

/// How many of the transactions leave room for a coinbase with these outputs.
fn fitting(template: &Template, room: &CoinbaseOutputConstraints) -> Option<usize> {
    let reserved = BASE_WEIGHT + 4 * u64::from(room.coinbase_output_max_additional_size);
    let mut weight = template.weight_limit.checked_sub(reserved.max(LEAST_WEIGHT))?;
    let mut sigops = template.sigop_limit.checked_sub(room.coinbase_output_max_additional_sigops.into())?;
    for (index, transaction) in template.transactions.iter().enumerate() {
        let left = weight.checked_sub(transaction.weight).zip(sigops.checked_sub(transaction.sigops));
        let Some(left) = left else { return Some(index) };
        (weight, sigops) = left;
    }
    Some(template.transactions.len())
}

#[cfg(test)]
mod tests {
    use otedama_core::{Algorithm, Amount, CompactTarget, UnixTime};

    use super::*;
    use crate::coin::{Chain, Coin};
    use crate::node::devnet::opaque_transaction;
    use crate::node::{Devnet, DevnetConfig, Node as _};

    fn template(transactions: u64) -> Template {
        let (bits, clock) =
            (CompactTarget::from_bits(0x207f_ffff), Arc::new(|| UnixTime::from_secs(1_800_000_000)));
        let subsidy = Amount::from_atomic(5_000_000_000);
        let node = Devnet::new(DevnetConfig::new(Algorithm::SHA256D, bits, subsidy, clock)).unwrap();
        for seed in 0..transactions {
            node.add_transaction(&opaque_transaction(seed), Amount::from_atomic(1000)).unwrap();
        }
        node.template().unwrap()
    }

    fn room(size: u32, sigops: u16) -> CoinbaseOutputConstraints {
        CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: size,
            coinbase_output_max_additional_sigops: sigops,
        }
    }

    #[test]
    fn room_is_made_by_leaving_out_the_last_transactions() {
        let mut all = template(10);
        let weight = all.transactions[0].weight;
        all.weight_limit = 10 * weight + 2000;
        let round = Round::new(Arc::new(all.clone()));
        let mut ids = 0..;
        let mut variant = |size, sigops| round.variant(&room(size, sigops), || ids.next().unwrap());
        // 1168 + 4 * 208 is 2000.
        for (size, left, id) in
            [(0, 10, 0), (208, 10, 0), (209, 9, 1), (208 + 80, 9, 1), (608, 5, 2), (0, 10, 0)]
        {
            let variant = variant(size, 4).unwrap();
            let template = &variant.template;
            assert_eq!((template.transactions.len(), variant.id), (left, id), "{size} bytes");
            assert_eq!(template.check(&Coin::devnet(Algorithm::SHA256D), Chain::Regtest), Ok(()));
            let fees = 1000 * u128::try_from(left).unwrap();
            assert_eq!(template.coinbase_value.atomic(), 5_000_000_000 + fees);
            let offer = variant.offer(true).unwrap();
            assert_eq!((offer.template_id, &offer.merkle_path), (id, &template.merkle_path()));
            assert!(round.find(id).is_some());
        }
        assert!(variant(u32::MAX, 0).is_none());
        assert!(variant(0, u16::MAX).is_some_and(|variant| variant.template.transactions.len() == 10));
        let mut tight = all.clone();
        tight.sigop_limit = 3;
        assert!(Round::new(Arc::new(tight)).variant(&room(0, 4), || 9).is_none());
        // What the last ones pay must be known, or the value cannot be.
        all.transactions[9].fee = None;
        let round = Round::new(Arc::new(all));
        assert!(round.variant(&room(0, 0), || 9).is_some());
        assert!(round.variant(&room(800, 0), || 9).is_none());
    }

    #[test]
    fn clients_of_many_kinds_share_variants() {
        let mut all = template(40);
        let weight = all.transactions[0].weight;
        all.weight_limit = 40 * weight + 2000;
        let round = Round::new(Arc::new(all));
        let mut ids = 0..;
        let mut sizes: Vec<u32> =
            (0..30).map(|kind| 208 + kind * u32::try_from(weight / 4 + 1).unwrap()).collect();
        sizes.reverse();
        for size in &sizes {
            let variant = round.variant(&room(*size, 0), || ids.next().unwrap()).unwrap();
            let used: u64 = variant.template.transactions.iter().map(|transaction| transaction.weight).sum();
            assert!(used + 1168 + 4 * u64::from(*size) <= variant.template.weight_limit);
        }
        assert_eq!(round.variants.lock().unwrap().len(), MAX_VARIANTS);
    }

    #[test]
    fn what_tells_clients_nothing_is_the_same() {
        let round = Round::new(Arc::new(template(2)));
        let mut later = template(2);
        later.curtime += 60;
        assert!(round.is_same(&later));
        assert!(!round.is_same(&template(3)));
        later.previous = Hash256::sha256d(b"another tip");
        assert!(!round.is_same(&later));
    }
}

//! The templates of one connection: which is offered, which is whole, and which a block was found on.

use std::collections::VecDeque;

use otedama_core::Hash256;
use otedama_core::coinbase::merkle_root;
use otedama_stratum::v2::distribution::{TemplateOffer, TemplateTransactions};
use otedama_stratum::v2::template::SetNewPrevHash;

use super::assemble;
use crate::limits::sv2::MAX_TEMPLATES;
use crate::node::NodeError;

/// What was offered, the newest last.
#[derive(Debug, Default)]
pub(super) struct Book {
    offers: VecDeque<Held>,
    previous: Option<SetNewPrevHash>,
    /// How many were offered before.
    count: u64,
    /// The number of the newest that is whole.
    whole: u64,
}

#[derive(Debug)]
struct Held {
    number: u64,
    offer: TemplateOffer,
    /// What it builds on, once that is named.
    previous: Option<SetNewPrevHash>,
    data: Data,
}

/// How far the transactions of a template are.
#[derive(Debug)]
enum Data {
    Asked,
    /// They came before the tip that they are for.
    Here(Box<TemplateTransactions>),
    /// They were there, and are not kept any more, or will not come.
    Gone,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing.
    Wait,
    /// Ask for the transactions of this template.
    Ask(u64),
    /// Make a template of these.
    Assemble(Box<Parts>),
}

/// All parts of a template.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) number: u64,
    pub(super) offer: TemplateOffer,
    pub(super) previous: SetNewPrevHash,
    pub(super) transactions: TemplateTransactions,
}

impl Book {
    /// A template was offered.
    pub(super) fn offered(&mut self, offer: TemplateOffer) -> Result<Next, NodeError> {
        let id = offer.template_id;
        if self.offers.iter().any(|held| held.offer.template_id == id) {
            return Err(NodeError::Malformed(format!("a second template of number {id}")));
        }
        assemble::height(&offer)?;
        let previous = if offer.future { None } else { self.previous };
        if !offer.future && previous.is_none() {
            return Err(NodeError::Malformed("a template before any tip".into()));
        }
        if self.offers.len() >= MAX_TEMPLATES {
            self.offers.pop_front();
        }
        self.count += 1;
        self.offers.push_back(Held { number: self.count, offer, previous, data: Data::Asked });
        Ok(Next::Ask(id))
    }

    /// A tip was named: it, and its height.
    pub(super) fn begun(&mut self, previous: SetNewPrevHash) -> Result<(Hash256, u32, Next), NodeError> {
        let id = previous.template_id;
        let waits = |held: &&mut Held| held.offer.template_id == id && held.offer.future;
        let held = self.offers.iter_mut().find(waits).filter(|held| held.previous.is_none());
        let held =
            held.ok_or_else(|| NodeError::Malformed(format!("a tip for template {id}, which is none")))?;
        held.previous = Some(previous);
        self.previous = Some(previous);
        let height = assemble::height(&held.offer)?.saturating_sub(1);
        let next = match std::mem::replace(&mut held.data, Data::Gone) {
            Data::Here(transactions) => held.parts(*transactions),
            Data::Asked => {
                held.data = Data::Asked;
                Next::Wait
            }
            Data::Gone => {
                held.data = Data::Asked;
                Next::Ask(id)
            }
        };
        Ok((previous.prev_hash.into(), height, next))
    }

    /// Transactions have come. Those of templates that wait for a tip are kept for the newest one only.
    pub(super) fn given(&mut self, transactions: TemplateTransactions) -> Next {
        let id = transactions.template_id;
        let Some(index) = self.offers.iter().position(|held| held.offer.template_id == id) else {
            return Next::Wait;
        };
        let Some(held) = self.offers.get_mut(index).filter(|held| matches!(held.data, Data::Asked)) else {
            return Next::Wait;
        };
        held.data = Data::Gone;
        if held.previous.is_some() {
            return held.parts(transactions);
        }
        held.data = Data::Here(Box::new(transactions));
        for older in self.offers.iter_mut().take(index) {
            if matches!(older.data, Data::Here(_)) {
                older.data = Data::Gone;
            }
        }
        Next::Wait
    }

    /// Transactions will not come: the template is outdated.
    pub(super) fn refused(&mut self, id: u64) {
        if let Some(held) = self.offers.iter_mut().find(|held| held.offer.template_id == id) {
            held.data = Data::Gone;
        }
    }

    /// Whether a template that is whole now replaces what there was.
    pub(super) fn adopt(&mut self, number: u64, previous: &SetNewPrevHash) -> bool {
        let current = self.previous.is_some_and(|current| current.prev_hash == previous.prev_hash);
        let newer = current && number > self.whole;
        if newer {
            self.whole = number;
        }
        newer
    }

    /// The template that a block with this parent, this root and this coinbase was found on.
    pub(super) fn find(&self, previous: Hash256, root: Hash256, coinbase: Hash256) -> Option<u64> {
        let fits = |held: &&Held| {
            held.previous.is_some_and(|held| Hash256::from(held.prev_hash) == previous)
                && merkle_root(coinbase, &held.offer.merkle_path) == root
        };
        self.offers.iter().rev().find(fits).map(|held| held.offer.template_id)
    }
}

impl Held {
    fn parts(&self, transactions: TemplateTransactions) -> Next {
        let Some(previous) = self.previous else { return Next::Wait };
        let (number, offer) = (self.number, self.offer.clone());
        Next::Assemble(Box::new(Parts { number, offer, previous, transactions }))
    }
}

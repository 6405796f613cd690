//! The shares that a scheme looks back on.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use otedama_core::Weight;

use super::intern::Interner;
use crate::account::Account;

/// No share counts for more than 2^96 expected hashes, far beyond any network; so no sum over a window overflows.
const HEAVIEST: Weight = Weight::new(1 << 96);

/// The newest shares of a pool in order, with running totals per account over the span that matters.
///
/// Behind the span it keeps a reserve of about the same weight, so that the window can grow when the network's
/// difficulty rises. A share takes eight bytes; accounts and weights are stored once. Adding a share is amortised
/// O(1), [`within`](Self::within) is O(accounts) as long as the span is that of the last addition.
#[derive(Clone, Default)]
pub struct ShareWindow {
    /// Oldest first; the first `outside` of them lie wholly behind the span.
    shares: VecDeque<Packed>,
    outside: usize,
    /// The weight of those not outside.
    inside: Weight,
    total: Weight,
    /// What mattered at the last addition.
    span: Weight,
    accounts: Interner<Account>,
    weights: Interner<Weight>,
    /// By account slot: the weight of its shares that are not outside.
    sums: Vec<Weight>,
}

/// A share as slots of the two interners.
#[derive(Clone, Copy)]
struct Packed {
    account: u32,
    weight: u32,
}

impl ShareWindow {
    /// Adds the newest share. From now on `span`, counted back from it, matters, and what lies behind the reserve is
    /// gone.
    pub fn push(&mut self, account: &Account, weight: Weight, span: Weight) {
        self.push_for_now(account, weight, span);
        self.keep();
    }

    /// Adds the newest share as long as it is not known whether it will stay: everything can be taken back with
    /// [`pop_newest`](Self::pop_newest) until [`keep`](Self::keep) is called.
    pub fn push_for_now(&mut self, account: &Account, weight: Weight, span: Weight) {
        if let Some(share) = self.pack(account, weight) {
            self.shares.push_back(share);
            self.enter(share);
        }
        self.settle(span);
    }

    /// All shares stay: drops what lies behind the reserve.
    pub fn keep(&mut self) {
        while let Some(share) = self.shares.front().copied().filter(|_| self.outside > 0) {
            let left = self.total.saturating_sub(self.weight(share));
            if left < reserve(self.span) {
                break;
            }
            self.shares.pop_front();
            self.outside -= 1;
            self.total = left;
            self.accounts.release(share.account);
            self.weights.release(share.weight);
        }
    }

    /// Adds a share older than all others, for filling a window from a journal that is read newest first. Returns
    /// whether even older ones would be kept.
    pub fn push_older(&mut self, account: &Account, weight: Weight, span: Weight) -> bool {
        let share = self.pack(account, weight);
        self.put_oldest(share, span)
    }

    fn put_oldest(&mut self, share: Option<Packed>, span: Weight) -> bool {
        if let Some(share) = share {
            self.shares.push_front(share);
            self.outside += 1;
        }
        self.settle(span);
        self.keep();
        self.total < reserve(span)
    }

    /// Adds many shares older than all others, newest first, until older ones would not be kept. The same as
    /// [`push_older`](Self::push_older) again and again, and much faster where clones of one account name it.
    pub fn fill<'a>(&mut self, shares: impl IntoIterator<Item = (&'a Account, Weight)>, span: Weight) {
        let mut accounts: HashMap<*const u8, u32> = HashMap::new();
        let mut weights: HashMap<Weight, u32> = HashMap::new();
        for (account, weight) in shares {
            let weight = weight.min(HEAVIEST);
            let name = account.as_str().as_ptr();
            // A slot may have become another's since, if the share was dropped at once.
            let known =
                accounts.get(&name).zip(weights.get(&weight)).filter(|(account_slot, weight_slot)| {
                    self.accounts.get(**account_slot) == Some(account)
                        && self.weights.get(**weight_slot) == Some(&weight)
                });
            let more = match known.map(|(account, weight)| Packed { account: *account, weight: *weight }) {
                Some(share) => {
                    self.accounts.hold(share.account);
                    self.weights.hold(share.weight);
                    self.total = self.total.saturating_add(weight);
                    self.put_oldest(Some(share), span)
                }
                None => {
                    let share = self.pack(account, weight);
                    if let Some(share) = share {
                        accounts.insert(name, share.account);
                        weights.insert(weight, share.weight);
                    }
                    self.put_oldest(share, span)
                }
            };
            if !more {
                return;
            }
        }
    }

    /// Takes the newest share back, which could not be recorded. As if it had never been added, if it was added
    /// [for now](Self::push_for_now).
    pub fn pop_newest(&mut self) {
        let Some(share) = self.shares.pop_back() else { return };
        if self.outside > self.shares.len() {
            self.outside = self.shares.len();
        } else {
            self.leave(share);
        }
        self.total = self.total.saturating_sub(self.weight(share));
        self.accounts.release(share.account);
        self.weights.release(share.weight);
        self.settle(self.span);
    }

    /// The weight of each account within `span`, counted back from the newest share; the oldest share counts with the
    /// part that lies within. Sorted by account; none has zero.
    #[must_use]
    pub fn within(&self, span: Weight) -> Vec<(Account, Weight)> {
        let mut sums = self.sums.clone();
        let (mut outside, mut inside) = (self.outside, self.inside);
        while let Some(share) = outside.checked_sub(1).and_then(|next| self.shares.get(next)) {
            if inside >= span {
                break;
            }
            inside = inside.saturating_add(self.weight(*share));
            change(&mut sums, share.account, |sum| sum.saturating_add(self.weight(*share)));
            outside -= 1;
        }
        let mut excess = inside.saturating_sub(span);
        for share in self.shares.iter().skip(outside) {
            if excess == Weight::ZERO {
                break;
            }
            let cut = self.weight(*share).min(excess);
            change(&mut sums, share.account, |sum| sum.saturating_sub(cut));
            excess = excess.saturating_sub(cut);
        }
        let parts = self.accounts.iter().zip(&sums).filter(|(_, sum)| **sum > Weight::ZERO);
        let mut parts: Vec<_> = parts.filter_map(|(account, sum)| Some((account?.clone(), *sum))).collect();
        parts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        parts
    }

    /// All shares that are kept, newest first, the reserve included.
    pub fn iter(&self) -> impl Iterator<Item = (&Account, Weight)> {
        let share = |share: &Packed| Some((self.accounts.get(share.account)?, self.weight(*share)));
        self.shares.iter().rev().filter_map(share)
    }

    /// How many shares are kept, the reserve included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shares.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// The weight of all shares that are kept, the reserve included.
    #[must_use]
    pub const fn total(&self) -> Weight {
        self.total
    }

    /// A share of no weight, or one more than 2^32 different accounts or weights, is not taken.
    fn pack(&mut self, account: &Account, weight: Weight) -> Option<Packed> {
        let weight = weight.min(HEAVIEST);
        if weight == Weight::ZERO {
            return None;
        }
        let account = self.accounts.acquire(account)?;
        let Some(slot) = self.weights.acquire(&weight) else {
            self.accounts.release(account);
            return None;
        };
        if self.sums.len() < self.accounts.slots() {
            self.sums.resize(self.accounts.slots(), Weight::ZERO);
        }
        self.total = self.total.saturating_add(weight);
        Some(Packed { account, weight: slot })
    }

    fn weight(&self, share: Packed) -> Weight {
        self.weights.get(share.weight).copied().unwrap_or(Weight::ZERO)
    }

    fn enter(&mut self, share: Packed) {
        let weight = self.weight(share);
        self.inside = self.inside.saturating_add(weight);
        change(&mut self.sums, share.account, |sum| sum.saturating_add(weight));
    }

    fn leave(&mut self, share: Packed) {
        let weight = self.weight(share);
        self.inside = self.inside.saturating_sub(weight);
        change(&mut self.sums, share.account, |sum| sum.saturating_sub(weight));
    }

    /// Moves the border to `span`.
    fn settle(&mut self, span: Weight) {
        self.span = span;
        while self.inside < span {
            let Some(share) = self.outside.checked_sub(1).and_then(|next| self.shares.get(next)) else {
                break;
            };
            self.enter(*share);
            self.outside -= 1;
        }
        while let Some(share) = self.shares.get(self.outside).copied() {
            if self.inside.saturating_sub(self.weight(share)) < span {
                break;
            }
            self.leave(share);
            self.outside += 1;
        }
    }
}

impl fmt::Debug for ShareWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareWindow")
            .field("shares", &self.shares.len())
            .field("total", &self.total)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

/// What is kept: the span and as much again.
fn reserve(span: Weight) -> Weight {
    span.saturating_add(span)
}

fn change(sums: &mut [Weight], slot: u32, to: impl FnOnce(Weight) -> Weight) {
    if let Some(sum) = usize::try_from(slot).ok().and_then(|slot| sums.get_mut(slot)) {
        *sum = to(*sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account(number: usize) -> Account {
        Account::new(format!("miner{number:07}"))
    }

    fn parts(window: &ShareWindow, span: u128) -> Vec<(String, u128)> {
        let shown = |(account, weight): (Account, Weight)| (account.to_string(), weight.get());
        window.within(Weight::new(span)).into_iter().map(shown).collect()
    }

    #[test]
    fn the_oldest_share_counts_with_the_part_within() {
        let mut window = ShareWindow::default();
        for (miner, weight) in [(0, 10), (1, 4), (0, 3)] {
            window.push(&account(miner), Weight::new(weight), Weight::new(9));
        }
        let [a, b] = [0, 1].map(|number| account(number).to_string());
        assert_eq!(parts(&window, 9), [(a.clone(), 5), (b.clone(), 4)]);
        assert_eq!(parts(&window, 7), [(a.clone(), 3), (b.clone(), 4)]);
        assert_eq!(parts(&window, 3), [(a.clone(), 3)]);
        assert_eq!(parts(&window, 1000), [(a, 13), (b, 4)]);
        assert_eq!(parts(&window, 0), []);
    }

    #[test]
    fn a_window_of_no_span_is_empty() {
        let mut window = ShareWindow::default();
        window.push(&account(0), Weight::new(10), Weight::ZERO);
        assert!(window.is_empty());
        assert_eq!((window.total(), window.inside, window.outside), (Weight::ZERO, Weight::ZERO, 0));
    }

    #[test]
    fn the_heaviest_shares_do_not_overflow() {
        let mut window = ShareWindow::default();
        for _ in 0..3 {
            window.push(&account(0), Weight::MAX, Weight::MAX);
        }
        assert_eq!(parts(&window, u128::MAX), [(account(0).to_string(), 3 << 96)]);
    }

    #[test]
    fn ten_million_shares_are_counted_as_they_come() {
        let mut window = ShareWindow::default();
        let miners: Vec<_> = (0..1000).map(account).collect();
        let span = Weight::new(4_000_000);
        for number in 0..10_000_000 {
            window.push(&miners[number % miners.len()], Weight::new(1), span);
        }
        assert_eq!(window.len(), 8_000_000);
        let parts = window.within(span);
        assert_eq!(parts.len(), 1000);
        assert!(parts.iter().all(|(_, weight)| weight.get() == 4000));
        assert_eq!(size_of::<Packed>(), 8);
    }

    /// The same by walking the whole list.
    fn slow(shares: &[(usize, u128)], span: u128) -> Vec<(String, u128)> {
        let mut left = span;
        let mut sums = std::collections::BTreeMap::new();
        for (miner, weight) in shares.iter().rev() {
            let part = left.min(*weight);
            left -= part;
            if part > 0 {
                *sums.entry(account(*miner).to_string()).or_insert(0) += part;
            }
        }
        sums.into_iter().collect()
    }

    proptest! {
        #[test]
        fn running_totals_equal_the_slow_walk(
            shares in prop::collection::vec((0usize..5, 0u128..20, 1u128..80), 1..80),
            asked in 0u128..200,
        ) {
            let mut window = ShareWindow::default();
            let mut seen = Vec::new();
            let (mut widest, mut narrowest) = (0, u128::MAX);
            for (miner, weight, span) in shares {
                window.push(&account(miner), Weight::new(weight), Weight::new(span));
                seen.push((miner, weight));
                // What was dropped behind a narrow span is gone: never ask beyond what is kept.
                widest = window.total().get();
                narrowest = span.min(narrowest);
                let span = span.min(widest);
                prop_assert_eq!(parts(&window, span), slow(&seen, span));
                let ever: u128 = seen.iter().map(|(_, weight)| weight).sum();
                prop_assert!(widest >= ever.min(2 * narrowest));
            }
            prop_assert_eq!(parts(&window, asked.min(widest)), slow(&seen, asked.min(widest)));
        }

        #[test]
        fn what_is_taken_back_leaves_no_trace(
            shares in prop::collection::vec((0usize..5, 1u128..20), 1..60),
            lost in prop::collection::vec((0usize..5, 1u128..400), 1..60),
            span in 1u128..200,
        ) {
            let span = Weight::new(span);
            let mut window = ShareWindow::default();
            for (miner, weight) in &shares {
                window.push(&account(*miner), Weight::new(*weight), span);
            }
            let before = (window.within(span), window.len(), window.total());
            for (miner, weight) in &lost {
                window.push_for_now(&account(*miner), Weight::new(*weight), span);
            }
            lost.iter().for_each(|_| window.pop_newest());
            prop_assert_eq!((window.within(span), window.len(), window.total()), before);
        }

        #[test]
        fn filling_from_the_newest_gives_the_same_window(
            shares in prop::collection::vec((0usize..5, 0u128..20), 1..80), span in 1u128..200,
        ) {
            let span = Weight::new(span);
            let (mut forward, mut backward) = (ShareWindow::default(), ShareWindow::default());
            for (miner, weight) in &shares {
                forward.push(&account(*miner), Weight::new(*weight), span);
            }
            for (miner, weight) in shares.iter().rev() {
                if !backward.push_older(&account(*miner), Weight::new(*weight), span) {
                    break;
                }
            }
            let mut filled = ShareWindow::default();
            let (accounts, strangers) = ([0, 1, 2, 3, 4].map(account), [0, 1, 2, 3, 4].map(account));
            let named = |(index, (miner, weight)): (usize, &(usize, u128))| {
                // Equal names are mostly clones of each other, and sometimes only equal.
                (if index % 7 == 0 { &strangers[*miner] } else { &accounts[*miner] }, Weight::new(*weight))
            };
            filled.fill(shares.iter().rev().enumerate().map(named), span);
            prop_assert_eq!(forward.within(span), backward.within(span));
            prop_assert_eq!(forward.within(span), filled.within(span));
            let list = |window: &ShareWindow| -> Vec<_> {
                window.iter().map(|(account, weight)| (account.clone(), weight)).collect()
            };
            prop_assert_eq!(list(&forward), list(&backward));
            prop_assert_eq!(list(&forward), list(&filled));
            prop_assert_eq!((forward.total(), forward.outside), (filled.total(), filled.outside));
        }
    }
}

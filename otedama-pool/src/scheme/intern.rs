//! Values that many shares have in common, stored once.

use std::collections::HashMap;
use std::hash::Hash;

/// Values stored once, named by a slot for as long as somebody holds it.
#[derive(Clone)]
pub(super) struct Interner<T> {
    slots: Vec<Option<(T, u64)>>,
    free: Vec<u32>,
    known: HashMap<T, u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), known: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    /// The slot of the value, held once more; `None` if no slot is left.
    pub(super) fn acquire(&mut self, value: &T) -> Option<u32> {
        if let Some(slot) = self.known.get(value).copied() {
            if let Some((_, holders)) = self.slot(slot)? {
                *holders += 1;
            }
            return Some(slot);
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(None);
                slot
            }
        };
        *self.slot(slot)? = Some((value.clone(), 1));
        self.known.insert(value.clone(), slot);
        Some(slot)
    }

    /// Holds a slot once more that somebody holds; `false` if nobody does.
    pub(super) fn hold(&mut self, slot: u32) -> bool {
        let held = self.slot(slot).and_then(Option::as_mut);
        held.map(|(_, holders)| *holders += 1).is_some()
    }

    /// Gives up one hold on the slot.
    pub(super) fn release(&mut self, slot: u32) {
        let Some(held) = self.slot(slot) else { return };
        let Some((value, holders)) = held else { return };
        *holders -= 1;
        if *holders == 0 {
            let value = value.clone();
            *held = None;
            self.known.remove(&value);
            self.free.push(slot);
        }
    }

    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(usize::try_from(slot).ok()?)?.as_ref().map(|(value, _)| value)
    }

    /// By slot, `None` where nobody holds it.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&T>> {
        self.slots.iter().map(|held| held.as_ref().map(|(value, _)| value))
    }

    /// All slots are below this number.
    pub(super) const fn slots(&self) -> usize {
        self.slots.len()
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Option<(T, u64)>> {
        self.slots.get_mut(usize::try_from(slot).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_once_nobody_holds_it() {
        let mut names = Interner::default();
        let (a, b) = (names.acquire(&"a").unwrap(), names.acquire(&"b").unwrap());
        assert_ne!(a, b);
        assert_eq!(names.acquire(&"a"), Some(a));
        names.release(a);
        assert_eq!(names.get(a), Some(&"a"), "held once more");
        assert!(names.hold(a) && !names.hold(77));
        names.release(a);
        assert_eq!(names.get(a), Some(&"a"), "held a third time");
        names.release(a);
        assert_eq!(names.get(a), None);
        names.release(a);
        assert_eq!(names.acquire(&"c"), Some(a));
        assert_eq!(names.iter().collect::<Vec<_>>(), [Some(&"c"), Some(&"b")]);
        assert_eq!(names.slots(), 2);
    }
}

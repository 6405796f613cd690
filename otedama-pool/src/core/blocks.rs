//! Blocks from their finding to their maturity: persisted, submitted, looked for, booked.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Hash256, Moment, Now};

use super::io::{Effect, NodeId, PoolEvent};
use super::votes::Votes;
use crate::journal::{BlockEvent, BlockRecord, BlockState, Candidate};
use crate::ledger::step;
use crate::node::{NodeError, Submission};

/// The first look for a block after it was submitted.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// Between looks for a block that no node knows yet.
const SEARCH: Duration = Duration::from_secs(2);
/// Between looks for a block that is on the chain or was orphaned; a new tip makes them sooner.
const WATCH: Duration = Duration::from_secs(30);
/// Looks for an unknown block before it is handed in again.
const LOOKS_BEFORE_RESUBMISSION: u32 = 5;

/// The blocks whose fate is open.
#[derive(Debug)]
pub(super) struct Blocks {
    maturity: u32,
    tracked: BTreeMap<Hash256, Tracked>,
    /// Every block found in this life: as many as there is proof of work for.
    found: HashSet<Hash256>,
}

#[derive(Debug)]
struct Tracked {
    record: BlockRecord,
    bytes: Arc<[u8]>,
    /// Whether it is written down; before that, nothing of its fate can be.
    durable: bool,
    /// An event that is on its way into the journal.
    turning: bool,
    /// Nodes that could not be reached, or refused it: perhaps they were behind.
    owed: BTreeSet<NodeId>,
    look_at: Moment,
    looks: u32,
}

impl Blocks {
    pub(super) fn new(maturity: u32) -> Self {
        Self { maturity, tracked: BTreeMap::new(), found: HashSet::new() }
    }

    /// Takes up a block of an earlier life: one that no node confirmed is handed in again.
    pub(super) fn recover(&mut self, record: BlockRecord, now: Now, effects: &mut Vec<Effect>) {
        let tracked = Tracked::new(record, now.moment);
        if tracked.record.state == BlockState::Found {
            effects.push(tracked.submit());
        }
        self.tracked.insert(tracked.record.candidate.hash, tracked);
    }

    /// A candidate is to be submitted: it is durable, or could not be made so, which must not keep it back. Written down
    /// later, it may have got another split.
    pub(super) fn found(
        &mut self,
        candidate: &Arc<Candidate>,
        durable: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(tracked) = self.tracked.get_mut(&candidate.hash) {
            if durable && !tracked.durable {
                (tracked.record.candidate, tracked.durable) = (Arc::clone(candidate), true);
                tracked.look_at = tracked.look_at.min(now.moment.plus(FIRST_LOOK));
            }
            return;
        }
        let look_at = now.moment.plus(FIRST_LOOK);
        let record = BlockRecord { candidate: Arc::clone(candidate), state: BlockState::Found, ordinal: 0 };
        let tracked = Tracked { durable, ..Tracked::new(record, look_at) };
        effects.push(tracked.submit());
        effects.push(Effect::Event(PoolEvent::BlockFound {
            hash: candidate.hash,
            height: candidate.height,
            account: candidate.finder.clone(),
            reward: candidate.reward,
        }));
        self.tracked.insert(candidate.hash, tracked);
    }

    /// A node's first word on a block: who did not take it is given it again.
    pub(super) fn answered(&mut self, hash: &Hash256, node: NodeId, answer: &Result<Submission, NodeError>) {
        let Some(tracked) = self.tracked.get_mut(hash) else { return };
        if matches!(answer, Ok(Submission::Known | Submission::Inconclusive)) {
            tracked.owed.remove(&node);
        } else {
            tracked.owed.insert(node);
        }
    }

    /// The height of a block that is followed.
    pub(super) fn height(&self, hash: &Hash256) -> Option<u32> {
        self.tracked.get(hash).map(|tracked| tracked.record.candidate.height)
    }

    /// Notes a block as found; `false` if it was before. It stays noted whatever becomes of it: its share may come
    /// again while its record is on the way to the journal, or when its fate is long final.
    pub(super) fn is_first(&mut self, hash: Hash256) -> bool {
        self.found.insert(hash)
    }

    /// A new tip: every block may have moved.
    pub(super) fn tip_changed(&mut self, now: Now) {
        for tracked in self.tracked.values_mut() {
            tracked.look_at = tracked.look_at.min(now.moment);
        }
    }

    pub(super) fn timeout(&self) -> Option<Moment> {
        self.tracked.values().map(|tracked| tracked.look_at).min()
    }

    pub(super) fn look(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (hash, tracked) in &mut self.tracked {
            if tracked.look_at > now.moment {
                continue;
            }
            effects.push(Effect::Observe { hash: *hash });
            tracked.looks += 1;
            let searching = tracked.record.state == BlockState::Found;
            tracked.look_at = now.moment.plus(if searching { SEARCH } else { WATCH });
            let again = match tracked.record.state {
                BlockState::Found => tracked.looks.is_multiple_of(LOOKS_BEFORE_RESUBMISSION),
                BlockState::Orphaned => !tracked.owed.is_empty(),
                BlockState::Confirmed | BlockState::Matured | BlockState::Lost => false,
            };
            if again {
                effects.push(tracked.submit());
            }
        }
    }

    /// What the nodes say of a block; the event to write down if that changes its fate.
    pub(super) fn observed(&mut self, hash: &Hash256, votes: &Votes, now: Now) -> Option<BlockEvent> {
        let tracked = self.tracked.get_mut(hash).filter(|tracked| tracked.durable && !tracked.turning)?;
        let unheard_of = !votes.heard_of && tracked.record.state == BlockState::Found;
        if unheard_of && (votes.burial == 0 || tracked.looks < LOOKS_BEFORE_RESUBMISSION) {
            return None;
        }
        // A candidate whose parts do not balance cannot have been made; if it was, nothing is booked.
        let event = step(&tracked.record, votes.observation(self.maturity), now.unix).ok()??;
        tracked.turning = true;
        Some(event)
    }

    /// An event could not be written down, and will not be.
    pub(super) fn not_turned(&mut self, event: &BlockEvent) {
        if let Some(tracked) = self.tracked.get_mut(&event.hash) {
            tracked.turning = false;
        }
    }

    /// An event is durable.
    pub(super) fn turned(&mut self, event: &BlockEvent, now: Now) -> Option<PoolEvent> {
        let tracked = self.tracked.get_mut(&event.hash)?;
        tracked.turning = false;
        (tracked.record.state, tracked.record.ordinal) = (event.state, event.ordinal);
        let Candidate { height, reward, fee, .. } = *tracked.record.candidate;
        // Something may follow at once: a block that was missed for long matures in the next step.
        tracked.look_at = now.moment;
        if event.state.is_final() {
            self.tracked.remove(&event.hash);
        }
        Some(PoolEvent::BlockTurned { hash: event.hash, height, state: event.state, reward, fee })
    }
}

impl Tracked {
    fn new(record: BlockRecord, look_at: Moment) -> Self {
        let bytes = record.candidate.block.as_ref().into();
        let (durable, turning, owed, looks) = (true, false, BTreeSet::new(), 0);
        Self { record, bytes, durable, turning, owed, look_at, looks }
    }

    fn submit(&self) -> Effect {
        Effect::Submit { hash: self.record.candidate.hash, block: Arc::clone(&self.bytes) }
    }
}

//! Connections of a simulation, and who is at the other end.

use super::audit::Broken;
use super::miner::{Miner, Told};
use super::world::{Event, World};
use crate::core::{ConnectionId, Input};

/// A connection. Each direction keeps its order, whatever its delays.
#[derive(Debug)]
pub(super) struct Link {
    /// Which miner; a stranger otherwise.
    pub(super) miner: Option<usize>,
    up: u64,
    down: u64,
}

impl World {
    /// A miner connects, once there is something to connect to.
    pub(super) fn connect(&mut self, miner: usize) -> Result<(), Broken> {
        if self.process.is_none() {
            let pause = self.random.between(200_000, 2_000_000);
            self.later(pause, Event::Connect { miner });
            return Ok(());
        }
        let now = self.time();
        if let Some(miner) = self.miners.get_mut(miner) {
            miner.connect(now);
        }
        self.open(Some(miner))?;
        self.transmit(miner);
        Ok(())
    }

    fn open(&mut self, miner: Option<usize>) -> Result<u64, Broken> {
        self.last_link += 1;
        let link = self.last_link;
        self.links.insert(link, Link { miner, up: self.now, down: self.now });
        self.feed(Input::Connected { connection: ConnectionId(link), address: None })?;
        Ok(link)
    }

    pub(super) fn link_of(&self, miner: usize) -> Option<u64> {
        self.links.iter().find(|(_, link)| link.miner == Some(miner)).map(|(id, _)| *id)
    }

    fn whom(&self, miner: usize) -> usize {
        miner.checked_rem(self.miners.len()).unwrap_or(0)
    }

    pub(super) fn mine(&mut self, miner: usize, shares: u64) -> Result<(), Broken> {
        let (miner, now) = (self.whom(miner), self.time());
        for _ in 0..shares {
            let verifier = &self.verifier;
            if !self.miners.get_mut(miner).is_some_and(|miner| miner.mine(verifier, now)) {
                break;
            }
            self.tally.sent += 1;
        }
        self.transmit(miner);
        Ok(())
    }

    pub(super) fn repeat(&mut self, miner: usize) -> Result<(), Broken> {
        let (miner, now, which) = (self.whom(miner), self.time(), self.random.index(16));
        if let Some(miner) = self.miners.get_mut(miner) {
            miner.repeat(which, now);
        }
        self.transmit(miner);
        Ok(())
    }

    /// Somebody says everything again that a miner has said, on a connection of its own.
    pub(super) fn replay(&mut self, miner: usize) -> Result<(), Broken> {
        let miner = self.whom(miner);
        let Some((identity, lines)) =
            self.miners.get(miner).map(|miner| (miner.identity(), miner.lines.clone()))
        else {
            return Ok(());
        };
        if self.process.is_none() {
            return Ok(());
        }
        let (session, user, password) = identity;
        let link = self.open(None)?;
        let resume = session.map(|session| format!(",\"{session}\"")).unwrap_or_default();
        let mut bytes =
            format!("{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"replay\"{resume}]}}\n");
        bytes +=
            &format!("{{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"{user}\",\"{password}\"]}}\n");
        self.send_up(link, bytes.as_bytes());
        let mut again = String::new();
        for (number, params) in lines.iter().enumerate() {
            let id = number + 3;
            again += &format!("{{\"id\":{id},\"method\":\"mining.submit\",\"params\":{params}}}\n");
        }
        // Only who has a job can be believed.
        self.later(150_000, Event::Say { link, bytes: again.into_bytes() });
        self.later(8_000_000, Event::Cut { link });
        Ok(())
    }

    /// The connection of a miner breaks, and with it all that was on its way.
    pub(super) fn cut(&mut self, miner: usize) -> Result<(), Broken> {
        match self.link_of(self.whom(miner)) {
            Some(link) => self.break_link(link),
            None => Ok(()),
        }
    }

    pub(super) fn break_link(&mut self, link: u64) -> Result<(), Broken> {
        let Some(broken) = self.links.remove(&link) else { return Ok(()) };
        if let Some(miner) = broken.miner {
            if let Some(miner) = self.miners.get_mut(miner) {
                miner.disconnect();
            }
            let pause = self.random.between(50_000, 3_000_000);
            self.later(pause, Event::Connect { miner });
        }
        // The pool notices, sooner or later.
        let notice = self.random.between(0, 5_000_000);
        self.later(notice, Event::HungUp { link });
        Ok(())
    }

    pub(super) fn stall(&mut self, miner: usize, micros: u64) {
        let until = self.now.saturating_add(micros);
        if let Some(link) = self.link_of(self.whom(miner)).and_then(|link| self.links.get_mut(&link)) {
            (link.up, link.down) = (link.up.max(until), link.down.max(until));
        }
    }

    /// Sends what a miner has to say.
    pub(super) fn transmit(&mut self, miner: usize) {
        let Some(link) = self.link_of(miner) else { return };
        while let Some(bytes) = self.miners.get_mut(miner).and_then(Miner::transmit) {
            self.send_up(link, &bytes);
        }
    }

    /// Bytes on their way to the pool, in one to three pieces.
    pub(super) fn send_up(&mut self, link: u64, bytes: &[u8]) {
        let mut rest = bytes;
        for _ in 0..self.random.below(3) {
            let (piece, behind) = rest.split_at(self.random.index(rest.len() + 1));
            rest = behind;
            self.send_piece(link, piece);
        }
        self.send_piece(link, rest);
    }

    fn send_piece(&mut self, link: u64, bytes: &[u8]) {
        let delay = self.random.between(1, 30_000);
        let Some(way) = self.links.get_mut(&link).filter(|_| !bytes.is_empty()) else { return };
        way.up = way.up.max(self.now).saturating_add(delay);
        let at = way.up;
        self.at(at, Event::ToPool { link, bytes: bytes.to_vec() });
    }

    /// Bytes on their way from the pool.
    pub(super) fn send_down(&mut self, link: u64, bytes: &[u8]) {
        let delay = self.random.between(1, 30_000);
        let Some(way) = self.links.get_mut(&link) else { return };
        way.down = way.down.max(self.now).saturating_add(delay);
        let at = way.down;
        self.at(at, Event::ToMiner { link, bytes: bytes.to_vec() });
    }

    /// Bytes of the pool arrive.
    pub(super) fn arrive(&mut self, link: u64, bytes: &[u8]) -> Result<(), Broken> {
        let Some(miner) = self.links.get(&link).map(|link| link.miner) else { return Ok(()) };
        let now = self.time();
        // What a stranger is told proves nothing: his shares are others, unless the journal has one of them twice.
        let Some(miner) = miner else { return Ok(()) };
        let Some(listening) = self.miners.get_mut(miner) else { return Ok(()) };
        let told = listening
            .receive(bytes, now)
            .map_err(|what| Broken { rule: "a miner understands what the pool says", what })?;
        for told in told {
            match told {
                Told::Accepted(sent) => self.audit.told(sent.digest, Some(&sent))?,
                Told::Refused => self.tally.refused += 1,
            }
        }
        self.transmit(miner);
        Ok(())
    }
}

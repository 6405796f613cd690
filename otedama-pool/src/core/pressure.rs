//! How much may be under way. With half of it connections are not read from, until it is a quarter. What was read by then
//! still has the other half, so that no share need be dropped.

use super::PoolCore;
use super::connection::Connection;
use super::io::{ConnectionId, Effect};

impl PoolCore {
    /// Whether a share of this connection is one too many.
    pub(super) fn is_full(&self, connection: &Connection) -> bool {
        connection.open >= self.config.limits.shares_per_connection || self.is_congested()
    }

    fn is_congested(&self) -> bool {
        let limits = &self.config.limits;
        self.hashing >= limits.checks || self.commit.backlog() >= limits.backlog
    }

    /// A share of this connection went off to be hashed.
    pub(super) fn share_begins(&mut self, id: ConnectionId) {
        let congested = !self.is_below(2);
        self.congested |= congested;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.open += 1;
        let much = congested || connection.open >= self.config.limits.shares_per_connection.div_ceil(2);
        if much && !connection.paused {
            connection.paused = true;
            self.paused += 1;
            self.effects.push_back(Effect::Pause { connection: id });
        }
    }

    /// A share of this connection was answered, or was hashed and needs no answer.
    pub(super) fn share_ended(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.open = connection.open.saturating_sub(1);
        if !connection.paused {
            return;
        }
        if self.is_below(4) {
            self.resume(id);
        } else {
            // It may have no share left whose end would bring it back here.
            self.congested = true;
        }
    }

    /// Reads again from everybody who has little under way, once the pool as a whole has. To be called whenever it may
    /// have: it looks at the connections only if some of them wait for that.
    pub(super) fn relieve(&mut self) {
        if !self.congested || !self.is_below(4) {
            return;
        }
        self.congested = false;
        if self.paused == 0 {
            return;
        }
        let mut paused: Vec<_> =
            self.connections.iter().filter(|(_, c)| c.paused).map(|(id, _)| *id).collect();
        paused.sort_unstable();
        for id in paused {
            self.resume(id);
        }
    }

    /// A paused connection is gone.
    pub(super) fn forget_pause(&mut self, connection: &Connection) {
        self.paused -= usize::from(connection.paused);
    }

    fn resume(&mut self, id: ConnectionId) {
        let little = self.config.limits.shares_per_connection / 4;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.paused && connection.open <= little {
            connection.paused = false;
            self.paused -= 1;
            self.effects.push_back(Effect::Resume { connection: id });
        }
    }

    /// Whether no more than this part of what may be under way is.
    fn is_below(&self, part: usize) -> bool {
        let limits = &self.config.limits;
        self.hashing <= limits.checks / part && self.commit.backlog() <= limits.backlog / part
    }
}

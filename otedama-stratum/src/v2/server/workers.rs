//! Who mines on a connection: users that were to be authorised, and machines behind them.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use otedama_core::WorkerId;

/// Users and machines share one set of numbers.
#[derive(Debug, Default)]
pub(super) struct Workers {
    users: Vec<User>,
    /// By user and name, with their numbers.
    machines: Vec<(WorkerId, Box<str>, WorkerId)>,
}

/// A user name that was to be authorised.
#[derive(Debug)]
pub(super) struct User {
    name: String,
    pub(super) id: WorkerId,
    /// The embedder's answer, once it is there.
    pub(super) allowed: Option<bool>,
}

impl Workers {
    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// A new user; `None` if there are `most` already.
    pub(super) fn add_user(&mut self, name: &str, most: usize) -> Option<WorkerId> {
        let id = self.next(self.users.len() < most)?;
        self.users.push(User { name: name.to_string(), id, allowed: None });
        Some(id)
    }

    /// Notes whether a user may mine. `false` if there is no such user.
    pub(super) fn decide(&mut self, id: WorkerId, allowed: bool) -> bool {
        let user = self.users.iter_mut().find(|user| user.id == id);
        user.map(|user| user.allowed = Some(allowed)).is_some()
    }

    /// The machine of this name behind a user, and whether it is new; `None` if it is new and there are `most` already.
    pub(super) fn machine(&mut self, of: WorkerId, name: &str, most: usize) -> Option<(WorkerId, bool)> {
        match self.machines.binary_search_by(|(user, known, _)| (*user, &**known).cmp(&(of, name))) {
            Ok(at) => self.machines.get(at).map(|(_, _, id)| (*id, false)),
            Err(at) => {
                let id = self.next(self.machines.len() < most)?;
                self.machines.insert(at, (of, name.into(), id));
                Some((id, true))
            }
        }
    }

    fn next(&self, room: bool) -> Option<WorkerId> {
        let id = u32::try_from(self.users.len() + self.machines.len()).ok();
        id.filter(|_| room).map(WorkerId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_machines_are_numbered_together_and_bounded_apart() {
        let mut workers = Workers::default();
        assert_eq!(workers.add_user("a", 2), Some(WorkerId(0)));
        assert_eq!(workers.machine(WorkerId(0), "x", 2), Some((WorkerId(1), true)));
        assert_eq!(workers.add_user("b", 2), Some(WorkerId(2)));
        assert_eq!(workers.add_user("c", 2), None);
        assert_eq!(workers.machine(WorkerId(2), "x", 2), Some((WorkerId(3), true)));
        assert_eq!(workers.machine(WorkerId(2), "y", 2), None);
        assert_eq!(workers.machine(WorkerId(0), "x", 2), Some((WorkerId(1), false)));
        assert!(workers.decide(WorkerId(2), true));
        assert!(!workers.decide(WorkerId(1), true), "machines are not authorised");
        assert_eq!(workers.user("b").and_then(|user| user.allowed), Some(true));
    }
}

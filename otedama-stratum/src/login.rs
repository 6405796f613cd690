//! Who mines what.

use alloc::string::String;
use core::fmt;

use otedama_core::Algorithm;

/// A user name, a password, and the algorithm to mine: what a client needs to begin.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The algorithm. Stratum V1 never sends it: both sides must know.
    pub algorithm: Algorithm,
    /// The user name, for most pools `address.worker`.
    pub user: String,
    /// The password; empty if none was sent. Pools read options from it, such as `d=1024`.
    pub password: String,
}

impl Login {
    /// A login with the password `x`, which pools that want none expect.
    #[must_use]
    pub fn new(algorithm: Algorithm, user: impl Into<String>) -> Self {
        Self { algorithm, user: user.into(), password: String::from("x") }
    }

    /// The same login with another password.
    #[must_use]
    pub fn password(self, password: impl Into<String>) -> Self {
        Self { password: password.into(), ..self }
    }
}

impl fmt::Debug for Login {
    /// Leaves the password out, so that logs do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("algorithm", &self.algorithm)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

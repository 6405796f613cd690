//! Nothing but tests: what ours write, the reference implementations of others read, and the other way round.

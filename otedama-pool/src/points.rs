//! Points at which a test may end the process, to see what is left of the books.
//!
//! They are there only in builds with the feature `failpoints` of the crate `fail`, which nothing but the tests of the
//! command switches on. Elsewhere the functions do nothing, and leave nothing in the program.

use crate::journal::{BlockState, Entry};

/// Ends the process on the spot if the test wants it to end here: nothing unwinds, nothing is flushed, nobody is told.
/// Before that it may have the rest of the process go on for a while (the point `linger`), so that whoever does not wait
/// for what is done here gives himself away. On systems without `kill -9` it does nothing.
#[inline]
pub(crate) fn pass(name: &str) {
    let wanted = || {
        fail::fail_point!(name, |_| true);
        false
    };
    if fail::has_failpoints() && wanted() {
        let linger = || fail::fail_point!("linger");
        linger();
        #[cfg(unix)]
        die();
    }
    let _ = name;
}

/// Passes one point for each kind of thing among entries that are about to be appended (`before`), are written but not
/// committed (`within`), or are committed while nobody knows yet (`after`).
#[inline]
pub(crate) fn pass_entries(moment: &str, entries: &[Entry]) {
    if !fail::has_failpoints() {
        return;
    }
    for (step, is_it) in STEPS {
        if entries.iter().any(is_it) {
            pass(&format!("{moment}-{step}"));
        }
    }
}

/// Whether these pieces of output tell a peer "yes", as an accepted share does. Only where there are points.
#[cfg(feature = "server")]
#[inline]
pub(crate) fn says_yes<'a>(mut pieces: impl Iterator<Item = &'a [u8]>) -> bool {
    let yes = |piece: &[u8]| piece.windows(YES.len()).any(|part| part == YES);
    fail::has_failpoints() && pieces.any(yes)
}

/// A number that a test puts in place of one that no configuration names.
#[cfg(feature = "server")]
#[inline]
pub(crate) fn number(name: &str) -> Option<u64> {
    fail::fail_point!(name, |number: Option<String>| number?.parse().ok());
    let _ = name;
    None
}

/// A part of an answer of Stratum V1.
#[cfg(feature = "server")]
const YES: &[u8] = b"\"result\":true";

type IsIt = fn(&Entry) -> bool;

/// What entries do, by the name in the points.
const STEPS: [(&str, IsIt); 5] = [
    ("journalled", |entry| matches!(entry, Entry::Share(_))),
    ("persisted", |entry| matches!(entry, Entry::Candidate(_))),
    ("credited", |entry| turns(entry, BlockState::Confirmed)),
    ("matured", |entry| turns(entry, BlockState::Matured)),
    // Of a block that was credited: what the step books is the reversal.
    ("reversed", |entry| turns(entry, BlockState::Orphaned) && books(entry)),
];

fn turns(entry: &Entry, state: BlockState) -> bool {
    matches!(entry, Entry::Block(event) if event.state == state)
}

fn books(entry: &Entry) -> bool {
    matches!(entry, Entry::Block(event) if event.booking.is_some())
}

#[cfg(unix)]
fn die() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

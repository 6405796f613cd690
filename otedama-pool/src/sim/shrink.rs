//! From a long run that breaks a promise to the few actions that it takes.

use super::{Action, Options, Run, replay};

/// Leaves out of a run that broke a promise whatever it does not need to break the same one: halves first, then ever
/// smaller pieces, then single actions. Each action keeps its own chance, so what is left means what it meant before.
///
/// `tried` is told after every attempt how many actions the shortest run has. A run that broke nothing comes back as it
/// is.
#[must_use]
pub fn shrink(run: &Run, options: &Options, tried: &mut dyn FnMut(usize)) -> Run {
    let Some(broken) = &run.broken else { return run.clone() };
    let mut best = run.clone();
    let mut size = best.trace.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < best.trace.len() {
            let shorter = without(&best.trace, start, size);
            let attempt = replay(run.seed, &shorter, options);
            if attempt.broken.as_ref().is_some_and(|other| other.rule == broken.rule) {
                best = attempt;
            } else {
                start += size;
            }
            tried(best.trace.len());
        }
        size /= 2;
    }
    best
}

fn without(actions: &[Action], start: usize, count: usize) -> Vec<Action> {
    let left_out = start..start.saturating_add(count);
    let kept = actions.iter().enumerate().filter(|(index, _)| !left_out.contains(index));
    kept.map(|(_, action)| action.clone()).collect()
}

//! From a long run that breaks a promise to the few actions that it takes.

use super::{Action, Options, Run, replay};

/// Leaves out of a run that broke a promise whatever it does not need to break the same one: halves first, then ever
/// smaller pieces, then single actions. What is left out leaves its time behind, and its chance where that matters, so
/// that all else happens as it did.
///
/// `tried` is told after every attempt how many actions that do something the shortest run has. A run that broke nothing
/// comes back as it is.
#[must_use]
pub fn shrink(run: &Run, options: &Options, tried: &mut dyn FnMut(usize)) -> Run {
    if run.broken.is_none() {
        return run.clone();
    }
    let idle = reduce(run.clone(), options, tried, &|actions| actions.iter().map(Action::idle).collect());
    reduce(idle, options, tried, &|actions| {
        if actions.iter().all(Action::is_idle) { merged(actions) } else { actions.to_vec() }
    })
}

/// Replaces pieces of the trace as long as the same promise is broken.
fn reduce(
    best: Run,
    options: &Options,
    tried: &mut dyn FnMut(usize),
    replace: &dyn Fn(&[Action]) -> Vec<Action>,
) -> Run {
    let mut best = best;
    let rule = best.broken.as_ref().map(|broken| broken.rule);
    let mut size = best.trace.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while let Some(piece) =
            best.trace.get(start..(start + size).min(best.trace.len())).filter(|p| !p.is_empty())
        {
            let put = replace(piece);
            let (before, behind) =
                (best.trace.iter().take(start), best.trace.iter().skip(start + piece.len()));
            let (step, changed) = (put.len().max(1), put.as_slice() != piece);
            let shorter: Vec<_> = before.cloned().chain(put).chain(behind.cloned()).collect();
            let attempt = changed.then(|| replay(best.seed, &shorter, options));
            match attempt.filter(|attempt| attempt.broken.as_ref().map(|broken| broken.rule) == rule) {
                Some(attempt) => {
                    best = attempt;
                    start += step;
                }
                None => start += size,
            }
            tried(best.trace.iter().filter(|action| !action.is_idle()).count());
        }
        size /= 2;
    }
    best
}

/// One pause for many.
fn merged(actions: &[Action]) -> Vec<Action> {
    let pause = actions.iter().map(Action::micros).fold(0, u64::saturating_add);
    actions.first().map(|first| first.idle_for(pause)).into_iter().collect()
}

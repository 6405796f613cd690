//! What a run must show, from what was said while it ran.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// A share that comes so soon after a change of the tip may be late without anybody's fault.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Changes of the tip that a run must see.
pub(crate) const TIPS: usize = 2;

/// What a line of a log says about a share or about the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A share was accepted.
    Accepted,
    /// A miner was told that so many of its shares were accepted.
    Told(usize),
    /// A share was refused, for this reason.
    Rejected(String),
    /// There is a new block to mine on.
    Tip,
}

/// It was said then, as time since the start of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// How much of it there was within the time that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) seconds: u64,
    pub(crate) accepted: usize,
    /// Of how many a miner was told so.
    pub(crate) told: usize,
    /// By reason.
    pub(crate) rejected: BTreeMap<String, usize>,
    pub(crate) tips: usize,
}

impl Tally {
    /// What happened within this time.
    pub(crate) fn new(events: &[Event], span: &Range<Duration>) -> Self {
        let mut tally = Self { seconds: (span.end.saturating_sub(span.start)).as_secs(), ..Self::default() };
        for event in events.iter().filter(|event| span.contains(&event.at)) {
            match &event.what {
                What::Accepted => tally.accepted += 1,
                What::Told(count) => tally.told += count,
                What::Rejected(reason) => *tally.rejected.entry(reason.clone()).or_default() += 1,
                What::Tip => tally.tips += 1,
            }
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, accepted, told, rejected, tips } = self;
        let refused: usize = rejected.values().sum();
        write!(f, "seconds={seconds} accepted={accepted} told={told} rejected={refused}")?;
        for (reason, count) in rejected {
            write!(f, " [{count}: {reason}]")?;
        }
        write!(f, " tips={tips}")
    }
}

/// Complains if miners were not told of nearly all that was accepted; answers are under way at the end.
pub(crate) fn untold(events: &[Event], span: &Range<Duration>) -> Option<String> {
    let told = Tally::new(events, span).told;
    let accepted = Tally::new(events, &(span.start..span.end.saturating_sub(GRACE))).accepted;
    (told < accepted).then(|| format!("miners were told of {told} accepted shares of {accepted}"))
}

/// All that is wrong with a run; nothing if it is as it should be.
pub(crate) fn complaints(events: &[Event], span: &Range<Duration>) -> Vec<String> {
    let mut complaints = Vec::new();
    let third = span.end.saturating_sub(span.start) / 3;
    for part in 0..3 {
        let begin = span.start + third * part;
        let within =
            |event: &&Event| event.what == What::Accepted && (begin..begin + third).contains(&event.at);
        if !events.iter().any(|event| within(&event)) {
            complaints.push(format!("no share was accepted in third {}", part + 1));
        }
    }
    let tips = Tally::new(events, span).tips;
    if tips < TIPS {
        complaints.push(format!("the tip changed {tips} times, and {TIPS} times are needed"));
    }
    for Event { at, what } in events {
        let What::Rejected(reason) = what else { continue };
        if !(is_late(reason) && follows_a_tip(events, *at)) {
            complaints.push(format!("a share was refused after {:.1} s: {reason}", at.as_secs_f64()));
        }
    }
    complaints
}

/// Whether this is what a pool says of work for a block that is mined.
fn is_late(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["stale", "job not found", "invalid-job-id"].iter().any(|known| reason.contains(known))
}

fn follows_a_tip(events: &[Event], at: Duration) -> bool {
    // The log of another process may be read a moment earlier or later.
    let before = at.saturating_sub(GRACE)..at + Duration::from_millis(200);
    events.iter().any(|event| event.what == What::Tip && before.contains(&event.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Range<Duration> = Duration::from_secs(10)..Duration::from_secs(70);

    fn events(list: &[(u64, What)]) -> Vec<Event> {
        let event =
            |(millis, what): &(u64, What)| Event { at: Duration::from_millis(*millis), what: what.clone() };
        list.iter().map(event).collect()
    }

    fn good() -> Vec<(u64, What)> {
        let tips = [(20_000, What::Tip), (50_000, What::Tip)];
        [11_000, 35_000, 69_000].map(|at| (at, What::Accepted)).into_iter().chain(tips).collect()
    }

    #[test]
    fn a_good_run_is_not_complained_of() {
        assert_eq!(complaints(&events(&good()), &SPAN), [""; 0]);
        let tally = Tally::new(&events(&good()), &SPAN);
        assert_eq!(tally.to_string(), "seconds=60 accepted=3 told=0 rejected=0 tips=2");
    }

    #[test]
    fn miners_must_be_told_but_for_the_last_moment() {
        let with = |told| {
            let mut list = good();
            list.push((68_000, What::Told(told)));
            untold(&events(&list), &SPAN)
        };
        assert_eq!(with(2), None);
        assert_eq!(with(1).unwrap(), "miners were told of 1 accepted shares of 2");
    }

    #[test]
    fn silence_in_any_third_and_too_few_tips_are_named() {
        for (index, complaint) in [
            (0, "no share was accepted in third 1"),
            (1, "no share was accepted in third 2"),
            (2, "no share was accepted in third 3"),
            (3, "the tip changed 1 times, and 2 times are needed"),
        ] {
            let mut list = good();
            list.remove(index);
            assert_eq!(complaints(&events(&list), &SPAN), [complaint]);
        }
    }

    #[test]
    fn only_what_is_late_by_a_tip_may_be_refused() {
        let refused = |at, reason: &str| {
            let mut list = good();
            list.push((at, What::Rejected(reason.into())));
            complaints(&events(&list), &SPAN)
        };
        assert_eq!(refused(21_900, "job is stale"), [""; 0]);
        assert_eq!(refused(19_900, "stale-share"), [""; 0]);
        assert_eq!(refused(22_100, "job is stale"), ["a share was refused after 22.1 s: job is stale"]);
        assert_eq!(refused(21_000, "duplicate share"), ["a share was refused after 21.0 s: duplicate share"]);
        assert_eq!(refused(5_000, "stale-share"), ["a share was refused after 5.0 s: stale-share"]);
    }
}

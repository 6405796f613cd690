//! Logical CPUs to bind threads to.

use std::fs;

use core_affinity::CoreId;

use super::CpuError;

/// Those with these numbers.
pub(super) fn listed(cpus: &[usize]) -> Result<Vec<CoreId>, CpuError> {
    let there = there()?;
    let find = |cpu: &usize| {
        let known = || there.iter().map(|core| core.id).collect();
        let core = there.iter().copied().find(|core| core.id == *cpu);
        core.ok_or_else(|| CpuError::NoSuchCpu { cpu: *cpu, known: known() })
    };
    cpus.iter().map(find).collect()
}

/// All that this process may use, the first of each core before those that share one.
pub(super) fn auto() -> Result<Vec<CoreId>, CpuError> {
    let mut cores = there()?;
    let of = |id: usize| {
        let file = format!("/sys/devices/system/cpu/cpu{id}/topology/thread_siblings_list");
        fs::read_to_string(file).ok()
    };
    let ranks = ranks(&cores.iter().map(|core| of(core.id)).collect::<Vec<_>>());
    let mut ranked: Vec<_> = ranks.into_iter().zip(cores).collect();
    // Stable, so that it stays in the order of the numbers otherwise.
    ranked.sort_by_key(|(rank, _)| *rank);
    cores = ranked.into_iter().map(|(_, core)| core).collect();
    Ok(cores)
}

/// How many before each one share its core: those whose lists of siblings are the same.
fn ranks(siblings: &[Option<String>]) -> Vec<usize> {
    let before = |(at, own): (usize, &Option<String>)| {
        own.as_ref()
            .map_or(0, |own| siblings.iter().take(at).filter(|other| other.as_ref() == Some(own)).count())
    };
    siblings.iter().enumerate().map(before).collect()
}

fn there() -> Result<Vec<CoreId>, CpuError> {
    core_affinity::get_core_ids().filter(|cores| !cores.is_empty()).ok_or(CpuError::NoAffinity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_come_after_the_first_of_every_core() {
        let lists = |lists: &[&str]| lists.iter().map(|list| Some((*list).to_owned())).collect::<Vec<_>>();
        assert_eq!(ranks(&lists(&["0,4", "1,5", "0,4", "1,5"])), [0, 0, 1, 1]);
        assert_eq!(ranks(&lists(&["0-1", "0-1", "2-3", "2-3"])), [0, 1, 0, 1]);
        assert_eq!(ranks(&[None, None]), [0, 0]);
    }

    #[test]
    fn all_of_them_are_listed_once() {
        let Ok(mut cores) = auto() else { return };
        cores.sort_by_key(|core| core.id);
        let mut known = there().unwrap();
        known.sort_by_key(|core| core.id);
        assert_eq!(cores, known);
    }
}

//! A device of one's own: what the rig wants from hardware, here played by the slow implementation.

use std::sync::mpsc;

use otedama_core::{Algorithm, Extranonce, Goal, Seed, Solution, Work};
use otedama_examples::{Failure, easy_job};
use otedama_gpu::{Device, DeviceInfo, DeviceKind, Rig};
use otedama_hash::{NonceRange, Scan, ScanError, Scanned, Stop, Verifier, oracle};

/// Hardware that computes SHA256d, one hash after the other.
struct Abacus;

/// One thread of it.
struct Beads;

impl Device for Abacus {
    fn info(&self) -> DeviceInfo {
        DeviceInfo::new("abacus", DeviceKind::Asic, vec![Algorithm::SHA256D])
    }

    fn scanners(&mut self) -> Result<Vec<Box<dyn Scan>>, ScanError> {
        Ok(vec![Box::new(Beads), Box::new(Beads)])
    }
}

impl Scan for Beads {
    fn prepare(&mut self, _: &Seed) -> Result<(), ScanError> {
        Ok(())
    }

    fn scan(
        &mut self,
        work: &Work,
        range: NonceRange,
        stop: &Stop,
        out: &mut Vec<Solution>,
    ) -> Result<Scanned, ScanError> {
        for done in 0..range.count {
            if stop.is_requested() {
                return Ok(Scanned::new(done));
            }
            let nonce = (range.start + done) & work.algorithm.max_nonce();
            let header = work.header.with_nonce(work.algorithm, nonce);
            let digest = oracle::digest(work.algorithm, header.as_bytes()).map_err(|_| {
                ScanError::WrongAlgorithm { scanner: Algorithm::SHA256D, work: work.algorithm }
            })?;
            if work.algorithm.meets(&digest, work.target) {
                out.push(Solution::new(work.generation, nonce));
            }
        }
        Ok(Scanned::new(range.count))
    }
}

fn main() -> Result<(), Failure> {
    let (submit, shares) = mpsc::channel();
    let rig = Rig::start(vec![Box::new(Abacus)], move |share| drop(submit.send(share)))?;
    let job = easy_job(Extranonce::from_hex("0001")?)?;
    rig.assign(job.clone());
    let verifier = Verifier::new(job.algorithm())?;
    for share in shares.iter().take(3) {
        let verdict = verifier.verify(&job, &share)?;
        println!("nonce {:08x}: share {}", share.nonce, verdict.met(Goal::SHARE));
    }
    println!("{} at {}", rig.stats().devices[0].info.name, rig.hash_rate());
    Ok(())
}

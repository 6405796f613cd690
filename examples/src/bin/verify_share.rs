//! Judge a share: no I/O, no pool. Here it is the one that became block 1 of Bitcoin.

use otedama_core::Goal;
use otedama_examples::{Failure, block_one};
use otedama_hash::Verifier;

fn main() -> Result<(), Failure> {
    let (job, share) = block_one()?;
    let verifier = Verifier::new(job.algorithm())?;
    let verdict = verifier.verify(&job, &share)?;
    println!("digest {}, counts for {} hashes", verdict.digest(), verdict.weight());
    if verdict.met(Goal::BLOCK) {
        println!("it is a block");
    }
    Ok(())
}

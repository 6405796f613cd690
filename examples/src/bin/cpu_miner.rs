//! A CPU miner against any pool: no runtime, two values, one loop.
//!
//!     cpu_miner stratum+tcp://pool.example:3333 wallet.rig1

use otedama_core::Algorithm;
use otedama_examples::Failure;
use otedama_gpu::{Rig, cpu};
use otedama_stratum::Login;
use otedama_stratum::net::{Client, Event};

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (url, user) = arguments.next().zip(arguments.next()).ok_or("usage: cpu_miner URL USER")?;
    let client = Client::connect(&url, Login::new(Algorithm::SHA256D, user))?;
    let shares = client.submitter();
    let rig = Rig::start(cpu::devices(), move |share| shares.submit(share))?;
    for event in client {
        match event? {
            Event::Job(job) => rig.assign(job),
            Event::Accepted(id) => println!("accepted {id}"),
            Event::Rejected(id, why) => eprintln!("rejected {id}: {why}"),
            _ => {}
        }
    }
    Ok(())
}

//! A CPU miner against any pool: `cpu_miner stratum+tcp://pool.example:3333 sha256d wallet.rig1`.

use otedama_core::AlgorithmSet;
use otedama_examples::Failure;
use otedama_gpu::{Rig, cpu};
use otedama_stratum::Login;
use otedama_stratum::net::{Client, Event};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, algorithm, user] = &arguments[..] else { return Err("cpu_miner URL ALGORITHM USER".into()) };
    let algorithm = AlgorithmSet::builtin().find(algorithm).ok_or("unknown algorithm")?;
    let client = Client::connect(url, Login::new(algorithm, user))?;
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

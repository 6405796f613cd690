//! A miner of headers only over Stratum V2: `v2_miner stratum2+tcp://pool.example:34254/KEY wallet.rig1`.

use otedama_core::Algorithm;
use otedama_examples::Failure;
use otedama_gpu::{Rig, cpu};
use otedama_stratum::net::{Client, Event, Options};
use otedama_stratum::{ChannelKind, Login};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, user] = &arguments[..] else { return Err("v2_miner URL USER".into()) };
    let mut options = Options::new([url], Login::new(Algorithm::SHA256D, user))?;
    options.session.channel = ChannelKind::Standard;
    let client = Client::new(options);
    let shares = client.submitter();
    let rig = Rig::start(cpu::devices(), move |share| shares.submit(share))?;
    for event in client {
        match event? {
            Event::Job(job) => rig.assign(job),
            Event::Accepted(id) => println!("accepted {id}"),
            other => eprintln!("{other:?}"),
        }
    }
    Ok(())
}

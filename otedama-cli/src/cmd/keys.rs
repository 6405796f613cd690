//! `otedama keys`: the keys of a pool's authority.

use std::io::{self, Write as _};

use otedama_stratum::noise::AuthoritySecret;
use serde_json::json;

use crate::args::KeysCommand;
use crate::failure::Failure;

pub(crate) fn run(command: &KeysCommand) -> Result<(), Failure> {
    let KeysCommand::Generate { json } = command;
    let mut seed = [0; 32];
    let failed = |error| Failure::Failed(format!("the system has no random bytes to give: {error}"));
    getrandom::fill(&mut seed).map_err(failed)?;
    let secret = AuthoritySecret::from_seed(&seed);
    let (public, secret) = (secret.public().to_string(), secret.reveal());
    if *json {
        writeln!(io::stdout(), "{}", json!({ "public": public, "secret": secret }))?;
    } else {
        writeln!(io::stdout(), "public {public}\nsecret {secret}")?;
    }
    Ok(())
}

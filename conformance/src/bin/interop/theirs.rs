//! Programs of others: their configurations, and what their logs say.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, io};

use otedama_conformance::Failure;

use crate::ours::{AUTHORITY, AUTHORITY_SECRET, MINER, POOL, Provider, SHARES_PER_MINUTE};
use crate::stage::{Actor, Reading, Stage, nothing};
use crate::verdict::What;

/// A program in the folder that the variable PEERS names, or in `target/peers`, where `.ci/setup peers` installs them.
fn peer(name: &str) -> Result<PathBuf, Failure> {
    let folder = env::var_os("PEERS").map_or_else(|| PathBuf::from("target/peers"), PathBuf::from);
    let path = folder.join("bin").join(name);
    if path.is_file() {
        Ok(path.canonicalize()?)
    } else {
        Err(format!("{} is not there: .ci/setup peers", path.display()).into())
    }
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Starts a program with this configuration.
fn start(stage: &mut Stage, name: &str, config: &str, reading: Reading) -> Result<Actor, Failure> {
    let path = stage.folder().join(format!("{name}.toml"));
    fs::write(&path, config)?;
    let mut command = Command::new(peer(name)?);
    command.arg("--config").arg(&path).env("RUST_LOG", "info").env("NO_COLOR", "1");
    Ok(stage.start(name, &mut command, reading)?)
}

/// Starts the translator between miners of Stratum V1, each of this rate, and a pool at this port of loopback. Gives the
/// address for the miners.
pub(crate) fn translator(
    stage: &mut Stage,
    pool: &str,
    rate: f64,
    aggregated: bool,
) -> Result<String, Failure> {
    let (_, pool_port) = pool.rsplit_once(':').ok_or("the pool has no port")?;
    let port = free_port()?;
    let config = format!(
        "downstream_address = \"127.0.0.1\"\n\
         downstream_port = {port}\n\
         max_supported_version = 2\n\
         min_supported_version = 2\n\
         downstream_extranonce2_size = 4\n\
         verify_payout = false\n\
         aggregate_channels = {aggregated}\n\
         supported_extensions = [2]\n\
         required_extensions = [2]\n\
         [downstream_difficulty_config]\n\
         min_individual_miner_hashrate = {rate:.1}\n\
         shares_per_minute = {SHARES_PER_MINUTE}.0\n\
         enable_vardiff = true\n\
         job_keepalive_interval_secs = 60\n\
         [[upstreams]]\n\
         address = \"127.0.0.1\"\n\
         port = {pool_port}\n\
         authority_pubkey = \"{AUTHORITY}\"\n\
         user_identity = \"{MINER}\"\n"
    );
    let actor = start(stage, "translator_sv2", &config, nothing)?;
    stage.wait_for(actor, "listening on ")?;
    Ok(format!("stratum+tcp://127.0.0.1:{port}"))
}

/// Starts the pool of others on a template provider. Gives its URL.
pub(crate) fn pool(stage: &mut Stage, provider: &Provider) -> Result<String, Failure> {
    let port = free_port()?;
    let config = format!(
        "authority_public_key = \"{AUTHORITY}\"\n\
         authority_secret_key = \"{AUTHORITY_SECRET}\"\n\
         cert_validity_sec = 3600\n\
         listen_address = \"127.0.0.1:{port}\"\n\
         coinbase_reward_script = \"addr({POOL})\"\n\
         server_id = 1\n\
         pool_signature = \"interop\"\n\
         shares_per_minute = {SHARES_PER_MINUTE}.0\n\
         share_batch_size = 1\n\
         [template_provider_type.Sv2Tp]\n\
         address = \"{}\"\n\
         public_key = \"{}\"\n",
        provider.address, provider.key
    );
    let actor = start(stage, "pool_sv2", &config, read_tips)?;
    stage.wait_for(actor, "Starting downstream server at ")?;
    Ok(format!("stratum2+tcp://127.0.0.1:{port}/{AUTHORITY}"))
}

/// Starts the client of job declaration, which mines alone on a template provider. Gives its URL for miners.
pub(crate) fn jd_client(stage: &mut Stage, provider: &Provider) -> Result<String, Failure> {
    let port = free_port()?;
    let config = format!(
        "listening_address = \"127.0.0.1:{port}\"\n\
         max_supported_version = 2\n\
         min_supported_version = 2\n\
         authority_public_key = \"{AUTHORITY}\"\n\
         authority_secret_key = \"{AUTHORITY_SECRET}\"\n\
         cert_validity_sec = 3600\n\
         shares_per_minute = {SHARES_PER_MINUTE}.0\n\
         share_batch_size = 1\n\
         mode = \"SOLOMINING\"\n\
         jdc_signature = \"interop\"\n\
         coinbase_reward_script = \"addr({POOL})\"\n\
         upstreams = []\n\
         [template_provider_type.Sv2Tp]\n\
         address = \"{}\"\n\
         public_key = \"{}\"\n",
        provider.address, provider.key
    );
    let actor = start(stage, "jd_client_sv2", &config, read_tips)?;
    stage.wait_for(actor, "Starting downstream server at ")?;
    Ok(format!("stratum2+tcp://127.0.0.1:{port}/{AUTHORITY}"))
}

/// Both say so of what comes from the template provider.
fn read_tips(line: &str) -> Option<What> {
    line.contains("Received: SetNewPrevHash").then_some(What::Tip)
}

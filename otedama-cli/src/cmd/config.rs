//! `otedama config`: what a file, with the environment over it, comes to.

use std::io::{self, Write as _};

use crate::config::{Config, MineConfig, Part};
use crate::failure::Failure;

pub(crate) fn validate(file: &str) -> Result<(), Failure> {
    let config = Config::load(Some(file), Part::All)?;
    if config.providers.is_empty() && config.mine == MineConfig::default() {
        return Err(config.refuse("configures neither a pool nor a miner").into());
    }
    let mut out = io::stdout().lock();
    for pool in &config.pools {
        writeln!(out, "valid: pool {} on {} with {}", pool.name, pool.coin, pool.coin.algorithm)?;
    }
    if config.pools.is_empty() {
        for provider in &config.providers {
            writeln!(out, "valid: template provider on {}", provider.coin)?;
        }
    }
    if config.mine != MineConfig::default() {
        writeln!(out, "valid: miner")?;
    }
    Ok(())
}

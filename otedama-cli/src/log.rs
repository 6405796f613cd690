//! Logs on standard error, as text or as JSON.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{LogArgs, LogFormat};
use crate::failure::Failure;

/// Starts logging for the rest of the process.
pub(crate) fn start(args: &LogArgs) -> Result<(), Failure> {
    let levels: Targets = args.log_level.parse().map_err(|_| {
        let level = &args.log_level;
        Failure::Usage(format!(
            "`{level}` is no log level; write off, error, warn, info, debug or trace, or levels by module such as \
             info,otedama_pool=debug"
        ))
    })?;
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let layer = match args.log_format {
        LogFormat::Text => layer.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(levels)).try_init();
    started.map_err(|error| Failure::Failed(format!("cannot log: {error}")))
}

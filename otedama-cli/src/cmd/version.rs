//! `otedama version`

use std::io::{self, Write as _};

use crate::failure::Failure;

pub(crate) fn run() -> Result<(), Failure> {
    writeln!(io::stdout(), "otedama {}", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}

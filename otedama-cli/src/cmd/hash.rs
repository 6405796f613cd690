//! `otedama hash`: the proof-of-work hash of one header.

use std::io::{self, Read as _, Write as _};

use otedama_core::{Algorithm, hex};

use crate::args::HashArgs;
use crate::failure::Failure;

pub(crate) fn run(args: &HashArgs) -> Result<(), Failure> {
    let text = if args.hex == "-" { read_line(args.algorithm)? } else { args.hex.clone() };
    let bytes = hex::decode(text.as_bytes()).map_err(|error| Failure::Usage(error.to_string()))?;
    #[cfg(feature = "randomx")]
    if args.algorithm == Algorithm::RANDOMX {
        let missing = || Failure::Usage("randomx needs --seed, the key of its tables as hex".into());
        return super::randomx::hash(&bytes, args.seed.as_deref().ok_or_else(missing)?);
    }
    if args.seed.is_some() {
        return Err(Failure::Usage(format!("--seed: {} has no tables", args.algorithm)));
    }
    let digest =
        otedama_hash::hash(args.algorithm, &bytes).map_err(|error| Failure::Usage(error.to_string()))?;
    writeln!(io::stdout(), "{digest}")?;
    Ok(())
}

/// Standard input without its line end; no more of it than could be a header.
fn read_line(algorithm: Algorithm) -> Result<String, Failure> {
    let limit = u64::try_from(2 * algorithm.spec().header_len + 16).unwrap_or(u64::MAX);
    let mut text = String::new();
    io::stdin()
        .take(limit)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Usage(format!("cannot read standard input: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

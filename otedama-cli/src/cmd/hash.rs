//! `otedama hash`: the proof-of-work hash of one header, or BLAKE3 of any bytes.

use std::io::{self, Read as _, Write as _};

#[cfg(feature = "randomx")]
use otedama_core::Algorithm;
use otedama_core::hex;
use otedama_hash::ethash::Epoch;

use crate::args::{Function, HashArgs};
use crate::failure::Failure;

/// The most bytes that BLAKE3 is computed of from standard input.
const MAX_BYTES: usize = 16 << 20;

pub(crate) fn run(args: &HashArgs) -> Result<(), Failure> {
    let text = if args.hex == "-" { read_line(args.function)? } else { args.hex.clone() };
    let bytes = hex::decode(text.as_bytes()).map_err(|error| Failure::Usage(error.to_string()))?;
    #[cfg(feature = "randomx")]
    if matches!(args.function, Function::Work(algorithm) if algorithm == Algorithm::RANDOMX) {
        let missing = || Failure::Usage("randomx needs --seed, the key of its tables as hex".into());
        return super::randomx::hash(&bytes, args.seed.as_deref().ok_or_else(missing)?);
    }
    let name = match args.function {
        Function::Work(algorithm) => algorithm.name(),
        Function::Blake3 => "blake3",
    };
    if let Function::Work(algorithm) = args.function
        && Epoch::of_test_chains(algorithm).is_ok()
    {
        if args.seed.is_some() {
            return Err(Failure::Usage(format!("--seed: --height decides the tables of {name}")));
        }
        return super::ethash::hash(algorithm, &bytes, args.nonce.as_deref(), args.height);
    }
    if args.seed.is_some() {
        return Err(Failure::Usage(format!("--seed: {name} has no tables")));
    }
    if args.nonce.is_some() || args.height.is_some() {
        return Err(Failure::Usage(format!("--nonce and --height do not go with {name}")));
    }
    let digest = match args.function {
        Function::Work(algorithm) => otedama_hash::hash(algorithm, &bytes)
            .map_err(|error| Failure::Usage(error.to_string()))?
            .to_string(),
        Function::Blake3 if bytes.len() > MAX_BYTES => {
            return Err(Failure::Usage(format!("more than {MAX_BYTES} bytes")));
        }
        Function::Blake3 => hex::encode(&otedama_hash::blake3(&bytes)),
    };
    writeln!(io::stdout(), "{digest}")?;
    Ok(())
}

/// Standard input without its line end; not much more of it than is taken.
fn read_line(function: Function) -> Result<String, Failure> {
    let most = match function {
        Function::Work(algorithm) => algorithm.spec().header_len,
        Function::Blake3 => MAX_BYTES,
    };
    let limit = u64::try_from(2 * most + 16).unwrap_or(u64::MAX);
    let mut text = String::new();
    io::stdin()
        .take(limit)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Usage(format!("cannot read standard input: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

//! `otedama restore`: a journal out of a backup.

use std::fs;
use std::io::{self, Write as _};

use otedama_pool::journal::{Report, Sqlite};

use crate::args::RestoreArgs;
use crate::cmd::verify::unclean;
use crate::failure::Failure;
use crate::store::{Reporter, Store, failed};

pub(crate) fn run(args: &RestoreArgs) -> Result<(), Failure> {
    let store = Store::one(&args.store)?;
    let (from, to) = (args.file.display(), store.path.display());
    if !args.file.is_file() {
        return Err(Failure::Usage(format!("there is no backup {from}: look at the path")));
    }
    if store.is_there() {
        return Err(Failure::Failed(format!(
            "there is a journal {to} already: stop the pool, and move that file and {to}-wal away"
        )));
    }
    if let Some(folder) = store.path.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::Failed(format!("cannot make {}: {error}", folder.display())))?;
    }
    let mut reporter = Reporter::new("restoring", &store.path);
    let report = Sqlite::restore(&args.file, &store.path, &mut |progress| reporter.at(progress));
    let Report { pools, findings } = report.map_err(|error| failed(&args.file, &error))?;
    for finding in &findings {
        writeln!(io::stdout(), "{}: {}", finding.record, finding.problem)?;
    }
    if !findings.is_empty() {
        return Err(unclean(findings.len()));
    }
    let names: Vec<_> = pools.iter().map(|pool| pool.pool.as_str()).collect();
    writeln!(io::stdout(), "{to}: restored from {from}, pools: {}", names.join(", "))?;
    Ok(())
}

//! `otedama restore`: a journal out of a backup.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

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
    // The log of a journal that was there before would be taken for that of the new one.
    if store.is_there() || log(&store.path).exists() {
        return Err(Failure::Failed(format!(
            "there is a journal {to} already: stop the pool, and move {to} and {to}-wal away"
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

/// Where SQLite keeps what is not yet in the file itself.
fn log(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

//! `otedama backup`: a copy of the journal while the pool runs.

use std::io::{self, Write as _};

use otedama_pool::journal::Snapshot;

use crate::args::BackupArgs;
use crate::cmd::verify::{audit, unclean};
use crate::failure::Failure;
use crate::store::{Reporter, Store, failed};

pub(crate) fn run(args: &BackupArgs) -> Result<(), Failure> {
    let store = Store::one(&args.store)?;
    let (file, shown) = (&args.file, args.file.display());
    if file.exists() {
        return Err(Failure::Failed(format!("{shown} is there already: take another name, or move it away")));
    }
    let snapshot = store.snapshot()?;
    let mut reporter = Reporter::new("copying", &store.path);
    let copied = snapshot.backup(file, &mut |progress| reporter.at(progress));
    copied.map_err(|error| failed(file, &error))?;
    drop(snapshot);
    // What counts is what can be read back.
    let report = audit(&Snapshot::open(file).map_err(|error| failed(file, &error))?, file)?;
    for finding in &report.findings {
        writeln!(io::stdout(), "{}: {}", finding.record, finding.problem)?;
    }
    if !report.is_clean() {
        return Err(unclean(report.findings.len()));
    }
    let bytes = file.metadata().map_err(|error| Failure::Failed(format!("{shown}: {error}")))?.len();
    writeln!(io::stdout(), "{shown}: {bytes} bytes, clean")?;
    Ok(())
}

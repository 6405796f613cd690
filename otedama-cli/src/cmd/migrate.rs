//! `otedama migrate`: journals of an older version.

use std::io::{self, Write as _};

use otedama_pool::journal::{Schema, Sqlite};
use serde_json::json;

use crate::args::{MigrateArgs, MigrateCommand};
use crate::failure::Failure;
use crate::store::{Reporter, Store};

pub(crate) fn run(command: &MigrateCommand) -> Result<(), Failure> {
    match command {
        MigrateCommand::Status(args) => each(args, status),
        MigrateCommand::Up(args) => each(args, up),
    }
}

/// Does it with every journal. One that a configuration names and that is not there yet needs no migration.
fn each(args: &MigrateArgs, work: fn(&Store, bool) -> Result<String, Failure>) -> Result<(), Failure> {
    for store in Store::all(&args.store)? {
        let line = if store.is_there() {
            work(&store, args.json)?
        } else if args.store.config.is_some() {
            not_yet(&store, args.json)
        } else {
            return Err(store.absent());
        };
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

fn not_yet(store: &Store, json: bool) -> String {
    let path = store.path.display().to_string();
    if json {
        json!({ "store": path, "found": null }).to_string()
    } else {
        format!("{path}: not there yet, nothing to do")
    }
}

fn status(store: &Store, json: bool) -> Result<String, Failure> {
    let Schema { found, current } = store.read(Sqlite::schema(&store.path))?;
    let path = store.path.display().to_string();
    if json {
        let pending: Vec<_> = (found + 1..=current).collect();
        return Ok(
            json!({ "store": path, "found": found, "current": current, "pending": pending }).to_string()
        );
    }
    Ok(if found < current {
        format!("{path}: version {found}, `otedama migrate up` would bring it to {current}")
    } else if found == current {
        format!("{path}: version {found}, nothing to do")
    } else {
        format!("{path}: version {found}, made by a newer program; this one reads {current}")
    })
}

fn up(store: &Store, json: bool) -> Result<String, Failure> {
    let mut reporter = Reporter::new("migrating", &store.path);
    let ran = store.read(Sqlite::migrate(&store.path, &mut |progress| reporter.at(progress)))?;
    let Schema { found, .. } = store.read(Sqlite::schema(&store.path))?;
    let path = store.path.display().to_string();
    Ok(if json {
        json!({ "store": path, "version": found, "ran": ran }).to_string()
    } else if ran.is_empty() {
        format!("{path}: version {found}, nothing to do")
    } else {
        format!("{path}: brought to version {found}")
    })
}

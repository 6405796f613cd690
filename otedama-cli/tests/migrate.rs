//! A journal of version 1, from the refusal to serve on it to a pool that goes on with it.

#![cfg(all(feature = "server", feature = "sqlite"))]
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "support/running.rs"]
mod running;
#[path = "support/serving.rs"]
mod serving;
mod support;
#[path = "support/v1.rs"]
mod v1;

use std::fs;
use std::path::Path;

use running::{MINERS, Place, end};
use rusqlite::Connection;
use support::run;

const SCHEMA: &str = include_str!("../../otedama-pool/tests/data/journal/v1.sql");

/// Three shares of two miners, and a confirmed block that credits them.
fn version_1(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let [one, two] = MINERS;
    let books = format!(
        "PRAGMA application_id = 0x4f746564; PRAGMA user_version = 1;
         INSERT INTO lives VALUES (1, 0, 1);
         INSERT INTO pools VALUES (1, 'p');
         INSERT INTO accounts VALUES (1, 1, '{one}'), (2, 1, '{two}');
         INSERT INTO workers VALUES (1, 1, 'rig'), (2, 2, '');
         INSERT INTO shares VALUES ((1 << 43) + 1, 1, zeroblob(16), randomblob(32), 7, 1700000000),
                                   ((1 << 43) + 2, 2, zeroblob(16), randomblob(32), 7, 1700000001),
                                   ((1 << 43) + 5, 1, zeroblob(16), randomblob(32), 8, 1700000002);
         INSERT INTO blocks VALUES (1, randomblob(32), 1, 8, 1, '5000000000', '65000000', 0, 1700000002, 0, 0, x'00');
         INSERT INTO credits VALUES (1, 1, 0, '4000000000'), (1, 2, 1, '935000000');
         INSERT INTO events VALUES (1, 1, 1, 1700000003);
         INSERT INTO bookings VALUES (1, 1, 1, 1);
         INSERT INTO lines VALUES (1, 0, 0, NULL, 1, '5000000000'), (1, 1, 1, 1, 0, '4000000000'),
                                  (1, 2, 1, 2, 0, '935000000'), (1, 3, 4, NULL, 0, '65000000');
         INSERT INTO balances VALUES (1, 0, 0, '5000000000'), (1, 1, 1, '4000000000'), (1, 1, 2, '935000000'),
                                     (1, 4, 0, '65000000');"
    );
    connection.execute_batch(&books).unwrap();
}

#[test]
fn a_journal_of_version_1_is_brought_up_and_served() {
    let place = Place::new();
    version_1(&place.store);
    let (store, config) = (place.store.to_str().unwrap(), place.config.to_str().unwrap());
    let before = fs::read(&place.store).unwrap();

    let copy = place.path("copy.db");
    for args in [
        &["serve", "--config", config][..],
        &["ledger", "verify", "--config", config],
        &["ledger", "export", "--config", config],
        &["backup", copy.to_str().unwrap(), "--config", config],
    ] {
        let refused = run(args);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{args:?}: {}", refused.stderr);
        for part in [store, "has version 1", "run `otedama migrate up`"] {
            assert!(refused.stderr.contains(part), "{args:?}: {part}: {}", refused.stderr);
        }
    }
    for _ in 0..2 {
        let status = run(&["migrate", "status", "--config", config]);
        let expected = format!("{store}: version 1, `otedama migrate up` would bring it to 2\n");
        assert_eq!((status.code, status.stdout), (Some(0), expected), "{}", status.stderr);
    }
    assert!(!copy.exists());
    assert_eq!(fs::read(&place.store).unwrap(), before, "nothing has touched it");

    let up = run(&["migrate", "up", "--config", config]);
    let expected = format!("{store}: brought to version 2\n");
    assert_eq!((up.code, up.stdout), (Some(0), expected), "{}", up.stderr);
    let again = run(&["migrate", "up", "--store", store, "--json"]);
    assert_eq!(again.stdout, format!("{{\"ran\":[],\"store\":\"{store}\",\"version\":2}}\n"));

    let verify = run(&["ledger", "verify", "--config", config]);
    let expected = "pool p: 3 live shares, 0 rolled-up shares, 1 blocks, 1 bookings, 4 accounts, \
                    rewards 5000000000, credits 4935000000, fees 65000000\nclean\n";
    assert_eq!((verify.code, verify.stdout.as_str()), (Some(0), expected), "{}", verify.stderr);

    end(place.serve(50));
    let verify = run(&["ledger", "verify", "--config", config]);
    assert!(verify.code == Some(0) && verify.stdout.ends_with("\nclean\n"), "{}", verify.stdout);
    let shares = run(&["ledger", "export", "--config", config, "--what", "shares"]);
    let old: Vec<_> = shares.stdout.lines().filter(|line| line.starts_with("p,1700000")).collect();
    assert_eq!(old.len(), 3, "{}", shares.stdout);
    assert!(old[0].starts_with("p,1700000002,0,1,5,"), "{}", old[0]);
}

//! The lives of the process on a journal: what they are numbered, and how far they were rolled up.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::super::{JournalError, Life};
use super::fault::{Fault, damaged, natural};
use super::records::{Checksum, kind};

/// A life as it stands in its row.
#[derive(Clone, Copy, Debug)]
pub(super) struct LifeRow {
    pub(super) id: i64,
    pub(super) life: Life,
    /// All sequence numbers below it have left the segments.
    pub(super) rolled: i64,
}

impl LifeRow {
    pub(super) fn checksum(&self) -> i64 {
        let Life { node, boot } = self.life;
        Checksum::of(kind::LIFE).numbers(&[self.id, i64::from(node), i64::from(boot), self.rolled]).finish()
    }

    fn read(row: &Row<'_>) -> Result<Self, Fault> {
        let id = row.get(0)?;
        let life = Life { node: natural(row.get(1)?, "node")?, boot: natural(row.get(2)?, "boot")? };
        let row_of = Self { id, life, rolled: row.get(3)? };
        if row_of.checksum() == row.get::<_, i64>(4)? {
            Ok(row_of)
        } else {
            Err(damaged(format_args!("life {id}: the checksum is wrong")))
        }
    }
}

const LIFE_COLUMNS: &str = "id, node, boot, rolled, checksum";

/// Writes down that a life begins: the next boot number, or one that is `ahead` of it. On one machine the node is 0.
pub(super) fn begin(connection: &Connection, ahead: u32) -> Result<Life, Fault> {
    const NODE: u16 = 0;
    let sql = "SELECT coalesce(max(boot), 0), coalesce(max(id), 0) FROM lives WHERE node = ?1";
    let (last, id): (i64, i64) = connection.query_row(sql, [NODE], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let exhausted = |_| JournalError::Storage("no boot number is left".into());
    let next = last.saturating_add(1).saturating_add(i64::from(ahead));
    let life = Life { node: NODE, boot: u32::try_from(next).map_err(exhausted)? };
    add_life(connection, LifeRow { id: id.saturating_add(1), life, rolled: 0 })?;
    Ok(life)
}

pub(super) fn add_life(connection: &Connection, row: LifeRow) -> Result<(), Fault> {
    let LifeRow { id, life: Life { node, boot }, rolled } = row;
    let sql = "INSERT INTO lives (id, node, boot, rolled, checksum) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![id, node, boot, rolled, row.checksum()])?;
    Ok(())
}

/// Says that all sequence numbers of the life up to and with `last` have left the segments of a pool.
pub(super) fn set_rolled(connection: &Connection, life: i64, last: i64) -> Result<(), Fault> {
    let known = find_life(connection, life)?;
    let row = LifeRow { rolled: known.rolled.max(last.saturating_add(1)), ..known };
    let sql = "UPDATE lives SET rolled = ?2, checksum = ?3 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![life, row.rolled, row.checksum()])?;
    Ok(())
}

pub(super) fn find_life(connection: &Connection, life: i64) -> Result<LifeRow, Fault> {
    let mut select = connection.prepare_cached(&format!("SELECT {LIFE_COLUMNS} FROM lives WHERE id = ?1"))?;
    let mut rows = select.query([life])?;
    let row = rows.next()?.ok_or_else(|| damaged(format_args!("life {life} is not there")))?;
    LifeRow::read(row)
}

/// The lives, oldest first; with what is wrong with those that cannot be read.
pub(super) fn each_life(
    connection: &Connection,
    visit: &mut dyn FnMut(Result<LifeRow, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut select = connection.prepare_cached(&format!("SELECT {LIFE_COLUMNS} FROM lives ORDER BY id"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        visit(LifeRow::read(row))?;
    }
    Ok(())
}

/// The lives by number.
pub(super) fn lives(connection: &Connection) -> Result<HashMap<i64, Life>, Fault> {
    let mut lives = HashMap::new();
    each_life(connection, &mut |row| {
        let row = row?;
        lives.insert(row.id, row.life);
        Ok(())
    })?;
    Ok(lives)
}

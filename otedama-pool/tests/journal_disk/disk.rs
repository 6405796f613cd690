//! A disk in memory that SQLite writes to: it knows what was synced and what was not, tears and drops the rest when
//! the power goes, and fails when it is told to.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use sqlite_vfs::wip::{WalIndex, WalIndexLock};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenOptions, Vfs};

/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What a write or sync does once its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Writes fail for want of space.
    Full,
    /// Writes fail because nothing may be written.
    ReadOnly,
    /// Writes fail half-way.
    Write,
    /// Syncs fail; what was not synced may be lost, and no later sync says so.
    Sync,
    /// The power goes.
    PowerOff,
}

/// The files of one folder.
#[derive(Debug)]
pub(crate) struct Disk {
    files: HashMap<String, File>,
    /// Taken away, but no folder was synced since.
    deleted: HashMap<String, File>,
    /// After so many writes and syncs.
    fault: Option<(u64, Fault)>,
    is_off: bool,
    random: Random,
    pub(crate) syncs: u64,
    pub(crate) failures: u64,
}

#[derive(Clone, Debug, Default)]
struct File {
    /// What is on the disk for good.
    disk: Vec<u8>,
    /// What is read.
    cache: Vec<u8>,
    /// What the next sync writes.
    pending: Vec<Operation>,
}

#[derive(Clone, Debug)]
enum Operation {
    Write(u64, Vec<u8>),
    Resize(u64),
}

static DISKS: LazyLock<Mutex<HashMap<String, Arc<Mutex<Disk>>>>> = LazyLock::new(|| {
    sqlite_vfs::register("test-disk", System, true).unwrap();
    Mutex::default()
});

/// The disk of this folder, new and empty the first time.
pub(crate) fn disk(folder: &Path, seed: u64) -> Arc<Mutex<Disk>> {
    let new = || Disk {
        files: HashMap::new(),
        deleted: HashMap::new(),
        fault: None,
        is_off: false,
        random: Random::new(seed),
        syncs: 0,
        failures: 0,
    };
    let folder = folder.canonicalize().unwrap().to_str().unwrap().to_owned();
    DISKS.lock().unwrap().entry(folder).or_insert_with(|| Arc::new(Mutex::new(new()))).clone()
}

impl Disk {
    pub(crate) fn arm(&mut self, after: u64, fault: Fault) {
        self.fault = Some((after, fault));
    }

    pub(crate) fn disarm(&mut self) {
        self.fault = None;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.is_off
    }

    /// Cuts the power: from now on nothing works.
    pub(crate) fn cut(&mut self) {
        self.is_off = true;
    }

    /// The power is back: of what was not synced, some is there, some is torn and some is not.
    pub(crate) fn restart(&mut self) {
        let Self { files, deleted, random, .. } = self;
        for (name, file) in deleted.drain() {
            if random.one_in(2) {
                files.entry(name).or_insert(file);
            }
        }
        let mut names: Vec<_> = files.keys().cloned().collect();
        names.sort();
        let all_or_nothing = random.below(4);
        for name in names {
            let file = files.get_mut(&name).unwrap();
            for operation in std::mem::take(&mut file.pending) {
                match (all_or_nothing, random.below(3)) {
                    (0, _) | (2 | 3, 0) => apply(&mut file.disk, &operation),
                    (2 | 3, 1) => apply(&mut file.disk, &torn(operation, random)),
                    _ => {}
                }
            }
            file.cache = file.disk.clone();
        }
        (self.is_off, self.fault) = (false, None);
    }

    /// Flips a bit of what is on the disk.
    pub(crate) fn flip(&mut self, name: &str, at: u64) -> bool {
        let Some(file) = self.files.iter_mut().find(|(path, _)| path.ends_with(name)) else { return false };
        let length = file.1.disk.len();
        if length == 0 {
            return false;
        }
        let at = usize::try_from(at).unwrap() % length;
        file.1.disk[at] ^= 0x10;
        file.1.cache = file.1.disk.clone();
        true
    }

    /// Whether it is time to fail, and how.
    fn due(&mut self, is_sync: bool) -> Option<Fault> {
        if self.is_off {
            return Some(Fault::PowerOff);
        }
        let (left, fault) = self.fault.as_mut()?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let fault = *fault;
        let is_of_this_kind = match fault {
            Fault::Full | Fault::ReadOnly | Fault::Write => !is_sync,
            Fault::Sync => is_sync,
            Fault::PowerOff => true,
        };
        self.is_off |= fault == Fault::PowerOff;
        self.failures += u64::from(is_of_this_kind);
        is_of_this_kind.then_some(fault)
    }

    fn change(&mut self, name: &str, operation: Operation) -> io::Result<()> {
        let (operation, outcome) = match self.due(false) {
            None => (operation, Ok(())),
            Some(Fault::Full) => (torn(operation, &mut self.random), Err(ErrorKind::WriteZero.into())),
            Some(Fault::ReadOnly) => return Err(ErrorKind::ReadOnlyFilesystem.into()),
            Some(_) => (torn(operation, &mut self.random), Err(io::Error::other("the disk fails"))),
        };
        let file = self.files.get_mut(name).ok_or(ErrorKind::NotFound)?;
        apply(&mut file.cache, &operation);
        file.pending.push(operation);
        outcome
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let due = self.due(true);
        self.syncs += 1;
        let Self { files, random, .. } = self;
        let file = files.get_mut(name).ok_or(ErrorKind::NotFound)?;
        match due {
            None => {
                for operation in std::mem::take(&mut file.pending) {
                    apply(&mut file.disk, &operation);
                }
                Ok(())
            }
            Some(Fault::PowerOff) => Err(io::Error::other("the power is off")),
            Some(_) => {
                // As a kernel does it: the pages count as clean now, whether they were written or not.
                for operation in std::mem::take(&mut file.pending) {
                    if random.one_in(2) {
                        apply(&mut file.disk, &operation);
                    }
                }
                if random.one_in(2) {
                    file.cache = file.disk.clone();
                }
                Err(io::Error::other("the disk fails"))
            }
        }
    }
}

fn apply(bytes: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Resize(size) => bytes.resize(usize::try_from(*size).unwrap(), 0),
        Operation::Write(offset, data) => {
            let offset = usize::try_from(*offset).unwrap();
            if bytes.len() < offset + data.len() {
                bytes.resize(offset + data.len(), 0);
            }
            bytes[offset..offset + data.len()].copy_from_slice(data);
        }
    }
}

/// The beginning of a write.
fn torn(operation: Operation, random: &mut Random) -> Operation {
    match operation {
        Operation::Write(offset, mut data) => {
            data.truncate(usize::try_from(random.below(data.len() as u64 + 1)).unwrap());
            Operation::Write(offset, data)
        }
        Operation::Resize(size) => Operation::Resize(size),
    }
}

/// All disks, as SQLite sees them.
struct System;

impl Vfs for System {
    type Handle = Handle;

    fn open(&self, path: &str, options: OpenOptions) -> io::Result<Handle> {
        let folder = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
        let disk = DISKS.lock().unwrap().get(folder).cloned().ok_or(ErrorKind::NotFound)?;
        {
            let mut disk = disk.lock().unwrap();
            if disk.is_off {
                return Err(io::Error::other("the power is off"));
            }
            let is_there = disk.files.contains_key(path);
            let may_create = matches!(options.access, OpenAccess::Create | OpenAccess::CreateNew);
            if !is_there && !may_create {
                return Err(ErrorKind::NotFound.into());
            }
            disk.files.entry(path.to_owned()).or_default();
            disk.deleted.remove(path);
        }
        Ok(Handle { disk, name: path.to_owned(), lock: LockKind::None })
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        let folder = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
        let disk = DISKS.lock().unwrap().get(folder).cloned().ok_or(ErrorKind::NotFound)?;
        let mut disk = disk.lock().unwrap();
        if disk.is_off {
            return Err(io::Error::other("the power is off"));
        }
        let file = disk.files.remove(path).ok_or(ErrorKind::NotFound)?;
        // SQLite syncs the folder when it takes away a rollback journal, and not when it takes away an empty log.
        if path.ends_with("-wal") {
            disk.deleted.insert(path.to_owned(), file);
        }
        Ok(())
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        let folder = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
        let disk = DISKS.lock().unwrap().get(folder).cloned();
        Ok(disk.is_some_and(|disk| disk.lock().unwrap().files.contains_key(path)))
    }

    fn temporary_name(&self) -> String {
        "nowhere/temporary".into()
    }

    fn random(&self, buffer: &mut [i8]) {
        // Salts of logs: they must differ from one log to the next.
        static COUNT: Mutex<u64> = Mutex::new(0);
        let mut count = COUNT.lock().unwrap();
        *count += 1;
        let mut random = Random::new(*count);
        buffer.fill_with(|| i8::try_from(random.below(128)).unwrap());
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

#[derive(Debug)]
struct Handle {
    disk: Arc<Mutex<Disk>>,
    name: String,
    lock: LockKind,
}

impl Handle {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

impl DatabaseHandle for Handle {
    type WalIndex = Index;

    fn size(&self) -> io::Result<u64> {
        let disk = self.disk();
        let file = disk.files.get(&self.name).ok_or(ErrorKind::NotFound)?;
        Ok(file.cache.len() as u64)
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let disk = self.disk();
        if disk.is_off {
            return Err(io::Error::other("the power is off"));
        }
        let file = disk.files.get(&self.name).ok_or(ErrorKind::NotFound)?;
        let offset = usize::try_from(offset).unwrap().min(file.cache.len());
        let there = &file.cache[offset..file.cache.len().min(offset + buffer.len())];
        buffer[..there.len()].copy_from_slice(there);
        buffer[there.len()..].fill(0);
        if there.len() == buffer.len() { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn write_all_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        self.disk().change(&self.name, Operation::Write(offset, data.to_vec()))
    }

    fn sync(&mut self, _: bool) -> io::Result<()> {
        self.disk().sync(&self.name)
    }

    fn set_len(&mut self, size: u64) -> io::Result<()> {
        self.disk().change(&self.name, Operation::Resize(size))
    }

    fn lock(&mut self, lock: LockKind) -> io::Result<bool> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> io::Result<bool> {
        Ok(self.lock >= LockKind::Reserved)
    }

    fn current_lock(&self) -> io::Result<LockKind> {
        Ok(self.lock)
    }

    fn wal_index(&self, _: bool) -> io::Result<Index> {
        Ok(Index)
    }
}

/// The index of a log that only one connection at a time has.
struct Index;

impl WalIndex for Index {
    fn map(&mut self, _: u32) -> io::Result<[u8; 32768]> {
        Ok([0; 32768])
    }

    fn lock(&mut self, _: Range<u8>, _: WalIndexLock) -> io::Result<bool> {
        Ok(true)
    }

    fn delete(self) -> io::Result<()> {
        Ok(())
    }
}

//! A table in a file: how it is written, and what is checked before it is used.
//!
//! ```text
//! 4096 bytes   head: what it is, and the sum of the sums
//! 64 * nodes   the table
//! 4 * parts    CRC-32 of each MiB of the table
//! ```
//!
//! A file is written under another name and takes its own when it is whole, so that whoever opens it finds all of it or
//! nothing. It is never changed afterwards.
#![expect(
    unsafe_code,
    reason = "files are mapped into memory, which the system cannot promise to leave alone"
)]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;

use memmap2::Mmap;
use otedama_hash::ethash::{Epoch, Node, Nodes};

use crate::limits::LOCK_LOOK;

const HEAD: usize = 4096;
/// Nodes of a part: 1 MiB.
pub(super) const PART: usize = 1 << 14;
/// Bytes of a node.
const NODE: usize = size_of::<Node>();
/// The version is part of it.
const MAGIC: [u8; 16] = *b"otedama table 1\n";
/// Where the sum of the sums stands in the head, behind what it is.
const SUM: usize = 80;

/// Which table of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Tens of MiB, for verifying.
    Cache,
    /// GiB, for mining.
    Dataset,
}

impl Kind {
    /// How many nodes it has.
    #[must_use]
    pub fn nodes(self, epoch: Epoch) -> u32 {
        match self {
            Self::Cache => epoch.cache_nodes(),
            Self::Dataset => epoch.dataset_items(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Dataset => "dataset",
        }
    }
}

/// Why a file is not the table that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is none.
    #[error("there is no file")]
    Missing,
    /// It is shorter or longer than the table of this epoch.
    #[error("the file has {found} bytes, {expected} expected")]
    Length {
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// Its head is of another table, another version, or another kind of machine.
    #[error("the file is of another table")]
    Head,
    /// The sums at its end are damaged.
    #[error("the sums in the file are damaged")]
    Sums,
    /// A part of the table is damaged.
    #[error("MiB {0} of the table is damaged")]
    Part(usize),
    /// The system did not let it be read or written.
    #[error("{0}")]
    System(Box<str>),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::System(error.to_string().into())
        }
    }
}

/// A table that lies in a file, mapped into memory and shared with other processes. All of it was checked.
#[derive(Debug)]
pub struct TableFile {
    map: Mmap,
    nodes: usize,
}

impl TableFile {
    /// The file of a table in a folder. Tables that are equal have the same name.
    #[must_use]
    pub fn path(folder: &Path, epoch: Epoch, kind: Kind) -> PathBuf {
        let name = epoch.to_string().replace(' ', "-");
        folder.join(format!("{name}.{}", kind.name()))
    }

    /// Opens the table of an epoch and checks all of it with so many threads.
    ///
    /// # Errors
    /// [`Fault`]: what is wrong with the file. [`write()`](Self::write) makes another one.
    pub fn open(path: &Path, epoch: Epoch, kind: Kind, threads: usize) -> Result<Self, Fault> {
        let nodes = kind.nodes(epoch) as usize;
        let file = File::open(path)?;
        let (expected, found) = (length(nodes), file.metadata()?.len());
        if found != expected {
            return Err(Fault::Length { expected, found });
        }
        // SAFETY: files of this name are only ever replaced, never changed. Whoever has the right to change them
        // nevertheless can change this process, too.
        let map = unsafe { Mmap::map(&file) }?;
        let table = Self { map, nodes };
        table.check(epoch, kind, threads)?;
        Ok(table)
    }

    fn check(&self, epoch: Epoch, kind: Kind, threads: usize) -> Result<(), Fault> {
        let (head, rest) = self.map.split_at_checked(HEAD).ok_or(Fault::Head)?;
        let (table, sums) = rest.split_at_checked(self.nodes * NODE).ok_or(Fault::Head)?;
        let mut expected = self::head(epoch, kind, self.nodes);
        expected[SUM..SUM + 4].copy_from_slice(&head[SUM..SUM + 4]);
        if head != expected {
            return Err(Fault::Head);
        }
        if head[SUM..SUM + 4] != crc32fast::hash(sums).to_le_bytes() {
            return Err(Fault::Sums);
        }
        let (next, damaged) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        let parts: Vec<_> = table.chunks(PART * NODE).zip(sums.as_chunks::<4>().0).collect();
        thread::scope(|scope| {
            for _ in 0..threads.clamp(1, parts.len().max(1)) {
                scope.spawn(|| {
                    while let Some((part, sum)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if crc32fast::hash(part).to_le_bytes() != **sum {
                            let at = part.as_ptr().addr() - table.as_ptr().addr();
                            damaged.fetch_min(at / (PART * NODE), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        match damaged.into_inner() {
            usize::MAX => Ok(()),
            part => Err(Fault::Part(part)),
        }
    }

    /// Writes the table of an epoch: `fill` makes the nodes from a number on, and is called by so many threads, for parts
    /// of at most 1 MiB, until `cancel` is set. The file appears when it is whole and on the disk; nothing is left of one
    /// that was cancelled or failed.
    ///
    /// # Errors
    /// [`Fault::System`] if the system does not let it be written: it may be full.
    pub fn write(
        path: &Path,
        epoch: Epoch,
        kind: Kind,
        threads: usize,
        cancel: &AtomicBool,
        fill: impl Fn(u32, &mut [Node]) + Sync,
    ) -> Result<(), Fault> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}-{number}", std::process::id()));
        let beside = PathBuf::from(beside);
        let file = File::create_new(&beside)?;
        let written = Writer { file: Mutex::new(file), nodes: kind.nodes(epoch) as usize }
            .fill(threads, cancel, &fill)
            .and_then(|writer| writer.finish(epoch, kind));
        written.and_then(|()| fs::rename(&beside, path)).map_err(Fault::from).inspect_err(|_| {
            // What is left of it is of no use; the first error is the one to report.
            let _ = fs::remove_file(&beside);
        })
    }

    /// Keeps other processes from writing this file until the answer is dropped; `None` if it was cancelled first. What
    /// processes that died have left of it is removed.
    ///
    /// # Errors
    /// [`Fault::System`] if the system knows no locks, or not in this folder.
    pub fn lock(path: &Path, cancel: &AtomicBool) -> Result<Option<File>, Fault> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let file = OpenOptions::new().create(true).append(true).open(PathBuf::from(lock))?;
        while !cancel.load(Ordering::Relaxed) {
            match file.try_lock() {
                Ok(()) => {
                    remove_unfinished(path);
                    return Ok(Some(file));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_LOOK),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

impl Nodes for TableFile {
    fn nodes(&self) -> &[Node] {
        let bytes = self.map.get(HEAD..HEAD + self.nodes * NODE).unwrap_or_default();
        // A mapping begins at a page.
        bytemuck::try_cast_slice(bytes).unwrap_or_default()
    }
}

/// A file that is being written.
struct Writer {
    file: Mutex<File>,
    nodes: usize,
}

impl Writer {
    fn fill(
        self,
        threads: usize,
        cancel: &AtomicBool,
        fill: &(impl Fn(u32, &mut [Node]) + Sync),
    ) -> io::Result<Summed> {
        let parts = self.nodes.div_ceil(PART);
        let (next, sums) = (AtomicUsize::new(0), Mutex::new(vec![0; parts]));
        let work = || -> io::Result<()> {
            let mut buffer = vec![Node::ZERO; PART.min(self.nodes)];
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                let first = part * PART;
                if part >= parts {
                    return Ok(());
                }
                if cancel.load(Ordering::Relaxed) {
                    return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
                }
                let nodes = &mut buffer[..PART.min(self.nodes - first)];
                // A table has less than 2^32 nodes.
                fill(u32::try_from(first).unwrap_or(u32::MAX), nodes);
                let bytes: &[u8] = bytemuck::cast_slice(nodes);
                lock(&sums)[part] = crc32fast::hash(bytes);
                let mut file = lock(&self.file);
                file.seek(SeekFrom::Start((HEAD + first * NODE) as u64))?;
                file.write_all(bytes)?;
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.clamp(1, parts.max(1))).map(|_| scope.spawn(work)).collect();
            let broken = |_| Err(io::Error::other("a thread broke down"));
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(broken))
        })?;
        let sums: Vec<u8> = lock(&sums).iter().flat_map(|sum: &u32| sum.to_le_bytes()).collect();
        Ok(Summed {
            file: self.file.into_inner().unwrap_or_else(PoisonError::into_inner),
            nodes: self.nodes,
            sums,
        })
    }
}

/// What is still missing of it.
struct Summed {
    file: File,
    nodes: usize,
    sums: Vec<u8>,
}

impl Summed {
    fn finish(mut self, epoch: Epoch, kind: Kind) -> io::Result<()> {
        let mut head = head(epoch, kind, self.nodes);
        head[SUM..SUM + 4].copy_from_slice(&crc32fast::hash(&self.sums).to_le_bytes());
        self.file.seek(SeekFrom::Start((HEAD + self.nodes * NODE) as u64))?;
        self.file.write_all(&self.sums)?;
        self.file.rewind()?;
        self.file.write_all(&head)?;
        self.file.sync_all()
    }
}

/// Removes files that were being written in place of this one. Whoever has its lock is the only one who writes.
fn remove_unfinished(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let is_unfinished = |other: &str| {
        let numbers = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.split_once('-'));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        numbers.is_some_and(|(process, number)| digits(process) && digits(number))
    };
    // What cannot be read or removed is in nobody's way.
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        if file.file_name().to_str().is_some_and(is_unfinished) {
            let _ = fs::remove_file(file.path());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of a whole file.
fn length(nodes: usize) -> u64 {
    (HEAD + nodes * NODE + nodes.div_ceil(PART) * 4) as u64
}

/// The head without its sum. The words of a table are those of the machine, so it says which order these have.
fn head(epoch: Epoch, kind: Kind, nodes: usize) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let number = epoch.number().unwrap_or(u32::MAX);
    let fields = [
        MAGIC.as_slice(),
        &0x0102_0304_u32.to_ne_bytes(),
        &[match kind {
            Kind::Cache => 1,
            Kind::Dataset => 2,
        }],
        &[0; 3],
        &epoch.parents().to_le_bytes(),
        &number.to_le_bytes(),
        &epoch.seed().0,
        &(nodes as u64).to_le_bytes(),
    ]
    .concat();
    head[..fields.len()].copy_from_slice(&fields);
    head
}

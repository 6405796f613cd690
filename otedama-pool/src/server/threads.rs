//! What blocks has threads of its own: the journal and the hashing. The nodes' are in `follow`.

use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use otedama_core::{Algorithm, Digest, Weight};
use otedama_hash::Verifier;
use tokio::sync::{mpsc, oneshot};

use super::actor::Message;
use crate::account::PoolName;
use crate::core::{BatchId, Check};
use crate::journal::{Balance, Entry, Journal, JournalError};
use crate::points;

/// What the journal's thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Persist(BatchId, Arc<[Entry]>),
    RollUp(Weight, u64),
    LoadWindow(Weight),
    Balances(oneshot::Sender<Result<Vec<Balance>, JournalError>>),
}

/// Runs a journal until the sender is dropped.
pub(super) fn journal(
    mut journal: Box<dyn Journal>,
    pool: PoolName,
    messages: mpsc::Sender<Message>,
) -> std::io::Result<(std_mpsc::Sender<Command>, JoinHandle<()>)> {
    let (sender, commands) = std_mpsc::channel();
    let thread = std::thread::Builder::new().name("otedama-journal".into());
    let thread = thread.spawn(move || {
        for command in commands {
            let answer = match command {
                Command::Persist(batch, entries) => {
                    points::pass_entries("before", &entries);
                    let outcome = journal.append(&entries);
                    points::pass_entries("after", &entries);
                    Message::Persisted(batch, outcome)
                }
                Command::RollUp(keep, at_most) => {
                    points::pass("before-closed");
                    let outcome = journal.roll_up(&pool, keep, at_most);
                    points::pass("after-closed");
                    Message::RolledUp(outcome)
                }
                Command::LoadWindow(span) => Message::Window(span, journal.window(&pool, span)),
                Command::Balances(answer) => {
                    let _ = answer.send(journal.balances(&pool));
                    continue;
                }
            };
            if messages.blocking_send(answer).is_err() {
                return;
            }
            journal.tidy();
        }
    })?;
    Ok((sender, thread))
}

/// Shares with the digests of their headers.
#[derive(Debug)]
pub(super) struct Hashed {
    pub(super) checks: Vec<Check>,
    pub(super) digests: Vec<Digest>,
}

/// Hashes headers: at once where that keeps the caller for some ten microseconds, else on threads.
#[derive(Debug)]
pub(super) struct Hashing {
    verifier: Verifier,
    /// This many are not worth a thread.
    at_once: usize,
    /// This many go to one thread.
    piece: usize,
    queue: std_mpsc::Sender<Vec<Check>>,
}

impl Hashing {
    pub(super) fn start(verifier: Verifier, messages: &mpsc::Sender<Message>) -> std::io::Result<Self> {
        let (queue, waiting) = std_mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for index in 0..count {
            let (waiting, verifier, messages) = (Arc::clone(&waiting), verifier.clone(), messages.clone());
            let name = format!("otedama-verify-{index}");
            std::thread::Builder::new().name(name).spawn(move || verify(&waiting, &verifier, &messages))?;
        }
        // A share costs SHA256d about a microsecond, the others thousands of them.
        let (at_once, piece) = if verifier.algorithm() == Algorithm::SHA256D { (16, 64) } else { (0, 1) };
        Ok(Self { verifier, at_once, piece, queue })
    }

    /// The shares with their digests; `None` if they will come as messages.
    pub(super) fn hash(&self, checks: Vec<Check>) -> Option<Hashed> {
        if checks.len() <= self.at_once {
            return Some(digests(&self.verifier, checks));
        }
        let mut checks = checks.into_iter();
        while checks.len() > 0 {
            // The threads end no earlier than the actor that owns this.
            let _ = self.queue.send(checks.by_ref().take(self.piece).collect());
        }
        None
    }
}

fn digests(verifier: &Verifier, checks: Vec<Check>) -> Hashed {
    points::pass("before-verified");
    let digests = verifier.digests(checks.iter().map(Check::claim));
    points::pass("after-verified");
    Hashed { checks, digests }
}

fn verify(
    waiting: &Mutex<std_mpsc::Receiver<Vec<Check>>>,
    verifier: &Verifier,
    messages: &mpsc::Sender<Message>,
) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(checks) = next else { return };
        if messages.blocking_send(Message::Verified(digests(verifier, checks))).is_err() {
            return;
        }
    }
}

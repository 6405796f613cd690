//! Answers go out in the order of their requests, whatever order they are given in.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;

use bytes::Bytes;
use otedama_core::WorkerId;

use super::outbox::Outbox;

/// A request that the embedder answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Subscribe,
    Authorize(WorkerId),
    Submit,
}

#[derive(Debug)]
enum Slot {
    Waiting {
        number: u64,
        id: Option<Id>,
        request: Request,
    },
    /// Written; `true` if the answer to a subscription is in it.
    Ready(String, bool),
    Shared(Bytes),
}

/// The id of a request. Short ones, which are nearly all, need no memory of their own.
#[derive(Debug)]
enum Id {
    Short { len: u8, bytes: [u8; Self::SHORT] },
    Long(Box<str>),
}

impl Id {
    const SHORT: usize = 22;

    fn new(id: &str) -> Self {
        let mut bytes = [0; Self::SHORT];
        match (bytes.get_mut(..id.len()), u8::try_from(id.len())) {
            (Some(short), Ok(len)) => {
                short.copy_from_slice(id.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(id.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Short { len, bytes } => {
                let short = bytes.get(..usize::from(*len)).and_then(|bytes| core::str::from_utf8(bytes).ok());
                short.unwrap_or_default()
            }
            Self::Long(id) => id,
        }
    }
}

/// What stands behind the first request that is not yet answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    slots: VecDeque<Slot>,
    next: u64,
    waiting: usize,
    subscriptions: usize,
    bytes: usize,
}

/// What a slot without a written answer counts for, in bytes.
const SLOT: usize = size_of::<Slot>();

impl Answers {
    /// A place for the answer to a request that the embedder answers later.
    pub(crate) fn wait(&mut self, id: Option<&str>, request: Request) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting += 1;
        self.subscriptions += usize::from(request == Request::Subscribe);
        self.bytes += SLOT + id.map_or(0, str::len);
        self.slots.push_back(Slot::Waiting { number, id: id.map(Id::new), request });
        number
    }

    /// Writes a message behind everything that waits.
    pub(crate) fn append(&mut self, out: &mut Outbox, write: impl FnOnce(&mut String)) {
        if self.slots.is_empty() {
            return write(out.tail());
        }
        if !matches!(self.slots.back(), Some(Slot::Ready(..))) {
            self.slots.push_back(Slot::Ready(String::new(), false));
        }
        if let Some(Slot::Ready(text, _)) = self.slots.back_mut() {
            let before = text.len();
            write(text);
            self.bytes += text.len() - before;
        }
    }

    /// Shared bytes behind everything that waits.
    pub(crate) fn append_shared(&mut self, out: &mut Outbox, bytes: Bytes) {
        if self.slots.is_empty() {
            return out.share(bytes);
        }
        self.bytes += bytes.len();
        self.slots.push_back(Slot::Shared(bytes));
    }

    /// Answers the request with this number, if it still waits.
    pub(crate) fn settle(&mut self, out: &mut Outbox, number: u64, write: impl FnOnce(&mut String, &str)) {
        let found = self.slots.iter().position(|slot| match slot {
            Slot::Waiting { number: waiting, .. } => *waiting == number,
            _ => false,
        });
        match found {
            Some(0) => self.settle_first(out, write),
            Some(index) => self.settle_at(index, write),
            None => {}
        }
    }

    /// Answers all requests of this kind, and says how many there were.
    pub(crate) fn settle_all(
        &mut self,
        out: &mut Outbox,
        kind: Request,
        write: impl Fn(&mut String, &str),
    ) -> usize {
        let mut count = 0;
        for index in 0..self.slots.len() {
            if matches!(self.slots.get(index), Some(Slot::Waiting { request, .. }) if *request == kind) {
                self.settle_at(index, &write);
                count += 1;
            }
        }
        self.flush(out);
        count
    }

    /// Whether a request of this kind waits.
    pub(crate) fn waits(&self, kind: Request) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Waiting { request, .. } if *request == kind))
    }

    /// Whether the answer to a subscription is still to come; what depends on it must wait behind it.
    pub(crate) const fn owes_subscription(&self) -> bool {
        self.subscriptions > 0
    }

    /// Requests that wait for the embedder.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Bytes that are held here.
    pub(crate) const fn len(&self) -> usize {
        self.bytes
    }

    /// Nothing waits before it: it goes straight out.
    fn settle_first(&mut self, out: &mut Outbox, write: impl FnOnce(&mut String, &str)) {
        if let Some(Slot::Waiting { id, request, .. }) = self.slots.pop_front() {
            self.subscriptions -= usize::from(request == Request::Subscribe);
            self.waiting -= 1;
            self.bytes -= SLOT + id.as_ref().map_or(0, |id| id.as_str().len());
            if let Some(id) = id {
                write(out.tail(), id.as_str());
            }
        }
        self.flush(out);
    }

    fn settle_at(&mut self, index: usize, write: impl FnOnce(&mut String, &str)) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (mut text, mut subscription) = (String::new(), false);
        if let Slot::Waiting { id, request, .. } = slot {
            subscription = *request == Request::Subscribe;
            self.waiting -= 1;
            self.bytes -= SLOT + id.as_ref().map_or(0, |id| id.as_str().len());
            if let Some(id) = id {
                write(&mut text, id.as_str());
            }
        }
        self.bytes += text.len();
        *slot = Slot::Ready(text, subscription);
    }

    fn flush(&mut self, out: &mut Outbox) {
        while let Some(slot) = self.slots.pop_front() {
            match slot {
                Slot::Ready(text, subscription) => {
                    self.bytes -= text.len();
                    self.subscriptions -= usize::from(subscription);
                    out.tail().push_str(&text);
                }
                Slot::Shared(bytes) => {
                    self.bytes -= bytes.len();
                    out.share(bytes);
                }
                waiting @ Slot::Waiting { .. } => {
                    self.slots.push_front(waiting);
                    return;
                }
            }
        }
    }
}

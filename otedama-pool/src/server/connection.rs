//! One task per connection: bytes up, bytes down, and both bounded.

use std::io::IoSlice;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::actor::Message;
use crate::core::ConnectionId;

/// Pieces of output that may wait for a connection that does not read; one more and it is cut.
const OUTPUT: usize = 256;
/// Pieces that are written in one go.
const VECTORS: usize = 16;
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(30);
/// Bytes taken from a socket in one go.
const READ: usize = 4096;

/// The core's end of a connection.
#[derive(Debug)]
pub(super) struct Outlet {
    pieces: mpsc::Sender<Bytes>,
    may_read: watch::Sender<bool>,
    task: AbortHandle,
}

impl Outlet {
    /// Queues a piece; `false` if the connection does not keep up.
    pub(super) fn send(&self, bytes: Bytes) -> bool {
        !matches!(self.pieces.try_send(bytes), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// Whether to take more from the peer; what it sends meanwhile waits in the network.
    pub(super) fn let_read(&self, may: bool) {
        let _ = self.may_read.send(may);
    }

    /// Ends the connection without waiting for what is queued.
    pub(super) fn cut(self) {
        self.task.abort();
    }
}

/// Accepts connections for ever.
pub(super) async fn listen(listener: TcpListener, messages: mpsc::Sender<Message>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                let message = Message::Accepted { stream, address: address.ip() };
                if messages.send(message).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of file descriptors, as a rule: others will be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Starts the task of a connection.
pub(super) fn start(id: ConnectionId, stream: TcpStream, messages: mpsc::Sender<Message>) -> Outlet {
    let (pieces, output) = mpsc::channel(OUTPUT);
    let (may_read, reading) = watch::channel(true);
    let task = tokio::spawn(run(id, stream, messages, output, reading)).abort_handle();
    Outlet { pieces, may_read, task }
}

async fn run(
    id: ConnectionId,
    mut stream: TcpStream,
    messages: mpsc::Sender<Message>,
    mut output: mpsc::Receiver<Bytes>,
    mut may_read: watch::Receiver<bool>,
) {
    let (mut reading, mut steered) = (true, true);
    loop {
        let open = reading && *may_read.borrow_and_update();
        tokio::select! {
            changed = may_read.changed(), if steered => steered = changed.is_ok(),
            ready = stream.readable(), if open => {
                reading = ready.is_ok() && receive(id, &stream, &messages).await;
                if !reading && messages.send(Message::Disconnected(id)).await.is_err() {
                    return;
                }
            }
            piece = output.recv() => {
                let Some(piece) = piece else { break };
                if !write(&mut stream, piece, &mut output).await {
                    let _ = messages.send(Message::Disconnected(id)).await;
                    return;
                }
            }
        }
    }
    let _ = tokio::time::timeout(WRITE, stream.shutdown()).await;
}

/// Takes what is there; `false` if the peer is gone.
async fn receive(id: ConnectionId, stream: &TcpStream, messages: &mpsc::Sender<Message>) -> bool {
    let bytes = {
        let mut buffer = [0; READ];
        match stream.try_read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    };
    messages.send(Message::Received(id, bytes)).await.is_ok()
}

/// Writes a piece and what else is queued; `false` if the peer is gone or does not read.
async fn write(stream: &mut TcpStream, first: Bytes, output: &mut mpsc::Receiver<Bytes>) -> bool {
    let mut pieces = std::collections::VecDeque::from([first]);
    while pieces.len() < VECTORS {
        match output.try_recv() {
            Ok(piece) => pieces.push_back(piece),
            Err(_) => break,
        }
    }
    let all = async {
        while !pieces.is_empty() {
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut written = stream.write_vectored(&slices).await?;
            if written == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            while let Some(piece) = pieces.front_mut() {
                if piece.len() > written {
                    piece.advance(written);
                    break;
                }
                written -= piece.len();
                pieces.pop_front();
            }
        }
        std::io::Result::Ok(())
    };
    matches!(tokio::time::timeout(WRITE, all).await, Ok(Ok(())))
}

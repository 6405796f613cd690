//! One task per connection: bytes up, bytes down, and both bounded.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::actor::{Message, sleep_until};
use super::clock::Clock;
use super::layer::{Arrived, Broken, Ground, Layer};
use crate::core::ConnectionId;
use crate::points;

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
pub(super) fn start(
    id: ConnectionId,
    stream: TcpStream,
    messages: mpsc::Sender<Message>,
    ground: &Arc<Ground>,
) -> Outlet {
    let (pieces, output) = mpsc::channel(OUTPUT);
    let (may_read, reading) = watch::channel(true);
    let layer = Layer::new(Arc::clone(ground));
    let carrier = Carrier { id, stream, messages, layer, clock: ground.clock };
    let task = tokio::spawn(carrier.run(output, reading)).abort_handle();
    Outlet { pieces, may_read, task }
}

/// What a connection's task works with.
struct Carrier {
    id: ConnectionId,
    stream: TcpStream,
    messages: mpsc::Sender<Message>,
    layer: Layer,
    clock: Clock,
}

/// The connection is over, and the core has to hear of it if it does not know.
struct Gone;

impl Carrier {
    async fn run(mut self, mut output: mpsc::Receiver<Bytes>, mut may_read: watch::Receiver<bool>) {
        if self.carry(&mut output, &mut may_read).await.is_err() {
            let _ = self.messages.send(Message::Disconnected(self.id)).await;
        } else {
            let _ = tokio::time::timeout(WRITE, self.stream.shutdown()).await;
        }
    }

    /// Until the core lets go, or the peer does.
    async fn carry(
        &mut self,
        output: &mut mpsc::Receiver<Bytes>,
        may_read: &mut watch::Receiver<bool>,
    ) -> Result<(), Gone> {
        let (mut reading, mut steered) = (true, true);
        loop {
            let open = reading && *may_read.borrow_and_update();
            let deadline = self.layer.deadline().map(|moment| self.clock.instant(moment));
            tokio::select! {
                changed = may_read.changed(), if steered => steered = changed.is_ok(),
                ready = self.stream.readable(), if open => {
                    reading = ready.is_ok() && self.receive().await?;
                    if !reading {
                        self.messages.send(Message::Disconnected(self.id)).await.map_err(|_| Gone)?;
                    }
                }
                piece = output.recv() => {
                    let Some(piece) = piece else { return Ok(()) };
                    self.send(piece, output).await?;
                }
                () = sleep_until(deadline), if deadline.is_some() => {
                    let arrived = self.layer.expire().map_err(|Broken| Gone)?;
                    self.arrived(arrived).await?;
                }
            }
        }
    }

    /// Takes what is there; `false` if the peer has nothing more to say.
    async fn receive(&mut self) -> Result<bool, Gone> {
        let bytes = {
            let mut buffer = [0; READ];
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(true),
                Err(_) => return Ok(false),
            }
        };
        let arrived = self.layer.receive(bytes).map_err(|Broken| Gone)?;
        self.arrived(arrived).await?;
        Ok(true)
    }

    async fn arrived(&mut self, arrived: Arrived) -> Result<(), Gone> {
        if let Some(bytes) = self.layer.transmit() {
            write(&mut self.stream, VecDeque::from([bytes])).await?;
        }
        match arrived {
            Arrived::Nothing => Ok(()),
            Arrived::Session(bytes) => {
                self.messages.send(Message::Received(self.id, bytes)).await.map_err(|_| Gone)
            }
            Arrived::Farewell(bytes) => {
                write(&mut self.stream, VecDeque::from([bytes])).await?;
                let _ = tokio::time::timeout(WRITE, self.stream.shutdown()).await;
                Err(Gone)
            }
        }
    }

    /// Writes a piece and what else is queued.
    async fn send(&mut self, first: Bytes, output: &mut mpsc::Receiver<Bytes>) -> Result<(), Gone> {
        let mut pieces = VecDeque::from([first]);
        while pieces.len() < VECTORS {
            match output.try_recv() {
                Ok(piece) => pieces.push_back(piece),
                Err(_) => break,
            }
        }
        let says_yes = points::says_yes(pieces.iter().map(|piece| piece.as_ref()));
        self.layer.dress(&mut pieces).map_err(|Broken| Gone)?;
        if says_yes {
            points::pass("before-answered");
        }
        let written = write(&mut self.stream, pieces).await;
        if says_yes {
            points::pass("after-answered");
        }
        written
    }
}

/// Writes all of it, in time.
async fn write(stream: &mut TcpStream, mut pieces: VecDeque<Bytes>) -> Result<(), Gone> {
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
    match tokio::time::timeout(WRITE, all).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Gone),
    }
}

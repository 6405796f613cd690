//! One task per client: bytes both ways, and templates as they come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use otedama_core::{Hash256, Moment};
#[cfg(feature = "noise")]
use otedama_stratum::limits::NoiseLimits;
use otedama_stratum::limits::TemplateServerLimits;
use otedama_stratum::v2::distribution::{TemplateServer, TemplateServerEvent, TemplateSolution};
use otedama_stratum::v2::template::CoinbaseOutputConstraints;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ProviderEvent;
use super::hub::{Hub, Message};
use super::round::Round;
use crate::limits::provider::{MAX_CLIENTS, READ, WRITE};
#[cfg(feature = "noise")]
use crate::server::layer::Arrived;
#[cfg(feature = "noise")]
use crate::server::secure::{Keys, Secured};

/// What all clients of a listener have in common.
#[derive(Clone, Debug)]
pub(super) struct Listening {
    pub(super) hub: Arc<Hub>,
    pub(super) limits: Arc<TemplateServerLimits>,
    /// With them connections are secured.
    #[cfg(feature = "noise")]
    pub(super) keys: Option<Arc<Keys>>,
}

/// Accepts clients for ever; they end with this.
pub(super) async fn listen(listener: TcpListener, listening: Listening) {
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if clients.len() < MAX_CLIENTS => accepted,
            Some(_) = clients.join_next() => continue,
        };
        match accepted {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                clients.spawn(attend(stream, address, listening.clone()));
            }
            Err(error) => {
                // Out of file descriptors, as a rule: others will be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn attend(stream: TcpStream, address: SocketAddr, listening: Listening) {
    let hub = Arc::clone(&listening.hub);
    let Some(mut client) = Client::new(stream, address, listening) else { return };
    let ended = client.run().await.err();
    if let Some(Ended::Refused(_)) = ended {
        // The last word, if there is one: why.
        let _ = client.flush().await;
    }
    let _ = timeout(WRITE.1, client.stream.shutdown()).await;
    hub.tell(ProviderEvent::Left { address, reason: ended.map(Ended::reason).unwrap_or_default() });
}

/// One client.
struct Client {
    stream: TcpStream,
    address: SocketAddr,
    hub: Arc<Hub>,
    session: TemplateServer,
    #[cfg(feature = "noise")]
    secured: Option<Secured>,
    room: Option<CoinbaseOutputConstraints>,
    /// The tip that it was told last, and the newest template.
    told: Option<(Hash256, u64)>,
}

/// Why a connection is over.
enum Ended {
    /// The client broke the rules of the session.
    Refused(String),
    /// It does not read, or cannot be served.
    Cut(String),
}

impl Ended {
    fn reason(self) -> String {
        match self {
            Self::Refused(reason) | Self::Cut(reason) => reason,
        }
    }
}

impl Client {
    fn new(stream: TcpStream, address: SocketAddr, listening: Listening) -> Option<Self> {
        let now = listening.hub.clock.now();
        #[cfg(feature = "noise")]
        let secured = match &listening.keys {
            Some(keys) => Some(Secured::new(keys, noise_limits(&listening.limits), now)?),
            None => None,
        };
        Some(Self {
            stream,
            address,
            session: TemplateServer::new(listening.limits, now),
            hub: listening.hub,
            #[cfg(feature = "noise")]
            secured,
            room: None,
            told: None,
        })
    }

    /// Until the client hangs up or must be cut.
    async fn run(&mut self) -> Result<(), Ended> {
        let mut rounds = self.hub.follow();
        loop {
            self.flush().await?;
            let deadline = self.deadline().map(|moment| self.hub.clock.instant(moment));
            tokio::select! {
                ready = self.stream.readable() => {
                    if ready.is_err() || !self.receive()? {
                        return Ok(());
                    }
                    self.events(&mut rounds).await?;
                }
                changed = rounds.changed(), if self.room.is_some() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.offer(&mut rounds)?;
                }
                () = tokio::time::sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)),
                    if deadline.is_some() => self.expire()?,
            }
        }
    }

    /// Takes what is there; `false` if the client has hung up.
    fn receive(&mut self) -> Result<bool, Ended> {
        let mut buffer = [0; READ];
        let count = match self.stream.try_read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(true),
            Err(_) => return Ok(false),
        };
        let (bytes, now) = (buffer.get(..count).unwrap_or_default(), self.hub.clock.now());
        #[cfg(feature = "noise")]
        if let Some(secured) = &mut self.secured {
            let arrived = secured.receive(bytes, now).map_err(|_| Ended::Cut("not secured".into()))?;
            if let Arrived::Session(frames) = arrived {
                self.session.handle_input(&frames, now).map_err(ended)?;
            }
            return Ok(true);
        }
        self.session.handle_input(bytes, now).map_err(ended)?;
        Ok(true)
    }

    async fn events(&mut self, rounds: &mut watch::Receiver<Option<Arc<Round>>>) -> Result<(), Ended> {
        while let Some(event) = self.session.poll_event() {
            match event {
                TemplateServerEvent::Connected { vendor } => {
                    let address = self.address;
                    self.hub.tell(ProviderEvent::Connected { address, vendor });
                }
                TemplateServerEvent::Constraints(room) => {
                    self.room = Some(room);
                    self.offer(rounds)?;
                }
                TemplateServerEvent::TransactionsRequested { template_id } => {
                    self.give_transactions(template_id);
                    // One block at a time, so that none has to wait in memory.
                    self.flush().await?;
                }
                TemplateServerEvent::Solution(solution) => self.solved(&solution).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells the client of the template that is offered now, unless it knows.
    fn offer(&mut self, rounds: &mut watch::Receiver<Option<Arc<Round>>>) -> Result<(), Ended> {
        let round = rounds.borrow_and_update().clone();
        let (Some(round), Some(room)) = (round, self.room) else { return Ok(()) };
        let variant = self.hub.variant(&round, &room);
        let variant = variant.ok_or_else(|| Ended::Cut("no template with so much room".into()))?;
        let (tip, id) = (variant.template.previous, variant.id);
        let new_tip = self.told.is_none_or(|(told, _)| told != tip);
        if !new_tip && self.told.is_some_and(|(_, told)| told == id) {
            return Ok(());
        }
        let strange = || Ended::Cut("a template that cannot be told".into());
        let (offer, previous) =
            (variant.offer(new_tip).ok_or_else(strange)?, variant.previous().ok_or_else(strange)?);
        self.session.send_template(&offer).map_err(|error| Ended::Cut(error.to_string()))?;
        if new_tip {
            self.session.set_previous(&previous).map_err(|error| Ended::Cut(error.to_string()))?;
        }
        self.told = Some((tip, id));
        Ok(())
    }

    fn give_transactions(&mut self, id: u64) {
        let variant = self.hub.requested(id);
        // A command that cannot be sent shows at the next deadline.
        let _ = match variant.as_ref().map(|variant| variant.transactions()) {
            Ok(Some(transactions)) => self.session.send_transactions(transactions),
            Ok(None) => self.session.refuse_transactions(id, otedama_stratum::v2::Code::TemplateIdNotFound),
            Err(code) => self.session.refuse_transactions(id, *code),
        };
    }

    /// A block goes to the nodes if its proof of work is good.
    async fn solved(&mut self, solution: &TemplateSolution) -> Result<(), Ended> {
        let (address, template_id) = (self.address, solution.template_id);
        let refused = |why| ProviderEvent::SolutionRefused { address, template_id, why };
        let Some(variant) = self.hub.find(template_id) else {
            self.hub.tell(refused("its template is not known"));
            return Ok(());
        };
        let Some(solved) = variant.solve(solution) else {
            self.hub.tell(refused("its coinbase is no transaction"));
            return Ok(());
        };
        let digest = self.hub.verifier.digest(&solved.header);
        let target = variant.template.nbits.target();
        if !target.is_ok_and(|target| self.hub.verifier.algorithm().meets(&digest, target)) {
            self.hub.tell(refused("its proof of work is not enough"));
            return Ok(());
        }
        let hash = Hash256::sha256d(solved.header.as_bytes());
        let message = Message::Block(hash, variant.template.height, solved.block.into());
        self.hub.messages.send(message).await.map_err(|_| Ended::Cut(String::new()))
    }

    fn deadline(&self) -> Option<Moment> {
        let session = self.session.poll_timeout();
        #[cfg(feature = "noise")]
        if let Some(secured) = &self.secured {
            return session.into_iter().chain(secured.deadline()).min();
        }
        session
    }

    fn expire(&mut self) -> Result<(), Ended> {
        let now = self.hub.clock.now();
        #[cfg(feature = "noise")]
        if let Some(secured) = &mut self.secured {
            secured.expire(now).map_err(|_| Ended::Cut("not secured".into()))?;
        }
        self.session.handle_timeout(now).map_err(ended)
    }

    /// Writes everything, each part of it in time.
    async fn flush(&mut self) -> Result<(), Ended> {
        loop {
            let pieces = self.dressed()?;
            if pieces.is_empty() {
                return Ok(());
            }
            let (size, patience) = WRITE;
            for chunk in pieces.iter().flat_map(|piece| piece.chunks(size)) {
                let written = timeout(patience, self.stream.write_all(chunk)).await;
                written
                    .map_err(|_| Ended::Cut("it does not read".into()))?
                    .map_err(|error| Ended::Cut(error.to_string()))?;
            }
        }
    }

    /// The next bytes for the socket.
    fn dressed(&mut self) -> Result<Vec<bytes::Bytes>, Ended> {
        #[cfg(feature = "noise")]
        if let Some(secured) = &mut self.secured {
            let mut pieces = self.session.poll_transmit().into_iter().collect();
            secured.send(&mut pieces).map_err(|_| Ended::Cut("it does not read".into()))?;
            return Ok(pieces.into());
        }
        Ok(self.session.poll_transmit().into_iter().collect())
    }
}

fn ended(error: otedama_stratum::v2::distribution::DistributionError) -> Ended {
    Ended::Refused(error.to_string())
}

/// A frame may be the transactions of a whole block.
#[cfg(feature = "noise")]
fn noise_limits(limits: &TemplateServerLimits) -> NoiseLimits {
    let mut noise = NoiseLimits::default();
    (noise.frame, noise.output) = (limits.frame, limits.output);
    noise
}

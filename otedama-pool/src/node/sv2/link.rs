//! One connection to a provider: the socket, what secures it, and the session.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};

#[cfg(feature = "noise")]
use otedama_stratum::limits::NoiseLimits;
#[cfg(feature = "noise")]
use otedama_stratum::noise::{NoiseError, Stream};
use otedama_stratum::v2::distribution::{
    DistributionError, SendError, TemplateClient, TemplateClientEvent, TemplateSolution,
};

use super::config::TemplateProviderConfig;
use crate::limits::sv2::{CONNECT, TICK, WRITE};
use crate::node::NodeError;
use crate::server::clock::Clock;

/// A connection as its users see it; another thread reads from its socket.
#[derive(Debug)]
pub(super) struct Link {
    socket: TcpStream,
    session: TemplateClient,
    #[cfg(feature = "noise")]
    noise: Option<Box<Stream>>,
    clock: Clock,
}

/// Connects to the first address of the host that answers.
pub(super) fn connect(config: &TemplateProviderConfig) -> Result<TcpStream, NodeError> {
    let addresses = (config.host.as_str(), config.port).to_socket_addrs().map_err(unreachable)?;
    let mut failure = NodeError::Unreachable("the host has no address".into());
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(unreachable)?;
                socket.set_read_timeout(Some(TICK)).map_err(unreachable)?;
                socket.set_write_timeout(Some(WRITE)).map_err(unreachable)?;
                return Ok(socket);
            }
            Err(error) => failure = unreachable(error),
        }
    }
    Err(failure)
}

impl Link {
    /// Greets the provider.
    pub(super) fn open(
        config: &TemplateProviderConfig,
        clock: Clock,
        socket: &TcpStream,
    ) -> Result<Self, NodeError> {
        let mut link = Self {
            socket: socket.try_clone().map_err(unreachable)?,
            session: TemplateClient::new(config.client(), clock.now()),
            #[cfg(feature = "noise")]
            noise: secured(config, clock)?,
            clock,
        };
        link.flush()?;
        Ok(link)
    }

    /// Takes bytes of the socket.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), NodeError> {
        let now = self.clock.now();
        #[cfg(feature = "noise")]
        if let Some(noise) = &mut self.noise {
            noise.handle_input(bytes, now).map_err(insecure)?;
            while let Some(frame) = noise.poll_frame().map_err(insecure)? {
                self.session.handle_input(frame, now).map_err(ended)?;
            }
            return self.flush();
        }
        self.session.handle_input(bytes, now).map_err(ended)?;
        self.flush()
    }

    /// Looks at the deadlines.
    pub(super) fn tick(&mut self) -> Result<(), NodeError> {
        let now = self.clock.now();
        #[cfg(feature = "noise")]
        if let Some(noise) = &mut self.noise {
            noise.handle_timeout(now).map_err(insecure)?;
        }
        self.session.handle_timeout(now).map_err(ended)?;
        self.flush()
    }

    pub(super) fn event(&mut self) -> Option<TemplateClientEvent> {
        self.session.poll_event()
    }

    pub(super) fn ask(&mut self, template_id: u64) -> Result<(), NodeError> {
        self.session.request_transactions(template_id).map_err(unsent)?;
        self.flush()
    }

    pub(super) fn submit(&mut self, solution: &TemplateSolution) -> Result<(), NodeError> {
        self.session.submit_solution(solution).map_err(unsent)?;
        self.flush()
    }

    /// Ends the connection; whoever reads from the socket learns of it.
    pub(super) fn hang_up(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn flush(&mut self) -> Result<(), NodeError> {
        while let Some(frames) = self.session.poll_transmit() {
            #[cfg(feature = "noise")]
            if let Some(noise) = &mut self.noise {
                noise.send(&frames).map_err(insecure)?;
                continue;
            }
            self.socket.write_all(&frames).map_err(unreachable)?;
        }
        #[cfg(feature = "noise")]
        while let Some(bytes) = self.noise.as_mut().and_then(|noise| noise.poll_transmit()) {
            self.socket.write_all(&bytes).map_err(unreachable)?;
        }
        Ok(())
    }
}

#[cfg(feature = "noise")]
fn secured(config: &TemplateProviderConfig, clock: Clock) -> Result<Option<Box<Stream>>, NodeError> {
    let Some(authority) = config.secured else { return Ok(None) };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| NodeError::Unreachable(format!("no randomness: {error}")))?;
    let mut limits = NoiseLimits::default();
    limits.frame = crate::limits::sv2::MAX_FRAME;
    limits.frame_time = config.client().limits.frame_time;
    Ok(Some(Box::new(Stream::initiator(authority, seed, limits, clock.now()))))
}

pub(super) fn unreachable(error: std::io::Error) -> NodeError {
    NodeError::Unreachable(error.to_string())
}

#[cfg(feature = "noise")]
fn insecure(error: NoiseError) -> NodeError {
    NodeError::Unreachable(format!("no secured connection: {error}"))
}

fn unsent(error: SendError) -> NodeError {
    NodeError::Unreachable(error.to_string())
}

fn ended(error: DistributionError) -> NodeError {
    match error {
        DistributionError::Frame(_)
        | DistributionError::Decode(_)
        | DistributionError::Unexpected { .. }
        | DistributionError::TooMany { .. }
        | DistributionError::EventsFull { .. } => NodeError::Malformed(error.to_string()),
        _ => NodeError::Unreachable(error.to_string()),
    }
}

//! One connection: a stream, its session, and the thread that reads.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use otedama_core::{Moment, Now};

use super::error::Disconnect;
use super::inbox::{Inbox, Input};
use super::layer::Layer;
use super::url::Url;
use crate::client::ClientSession;

/// Closing is dropping.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) url: Url,
    pub(super) session: ClientSession,
    layer: Layer,
    stream: TcpStream,
}

impl Link {
    pub(super) fn new(
        number: u64,
        url: Url,
        stream: TcpStream,
        (layer, session): (Layer, ClientSession),
        inbox: &Arc<Inbox>,
        write_timeout: Duration,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(write_timeout))?;
        let (reading, inbox) = (stream.try_clone()?, Arc::clone(inbox));
        thread::Builder::new().name("stratum-reader".into()).spawn(move || read(&reading, number, &inbox))?;
        Ok(Self { number, url, session, layer, stream })
    }

    /// Sends everything that there is to say.
    pub(super) fn flush(&mut self) -> Result<(), Disconnect> {
        while let Some(bytes) = self.layer.poll_transmit() {
            self.write(&bytes)?;
        }
        while let Some(bytes) = self.session.poll_transmit() {
            if let Some(bytes) = self.layer.send(bytes)? {
                self.write(&bytes)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Disconnect> {
        self.stream.write_all(bytes).map_err(|error| Disconnect::Io(error.kind()))
    }

    /// Gives the session what the socket gave.
    pub(super) fn handle_input(&mut self, bytes: &[u8], now: Now) -> Result<(), Disconnect> {
        let session = &mut self.session;
        self.layer.handle_input(bytes, now, |plain| session.handle_input(plain, now))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        self.layer.poll_timeout().into_iter().chain(self.session.poll_timeout()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Now) -> Result<(), Disconnect> {
        self.layer.handle_timeout(now)?;
        Ok(self.session.handle_timeout(now)?)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Ends the reader as well; a stream that is already broken needs no closing.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn read(mut stream: &TcpStream, number: u64, inbox: &Inbox) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let input = match stream.read(&mut buffer) {
            Ok(0) => Input::End(number, None),
            Ok(len) => Input::Bytes(number, buffer[..len].into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Input::End(number, Some(error.kind())),
        };
        let ended = matches!(input, Input::End(..));
        if !inbox.bring(input) || ended {
            return;
        }
    }
}

/// Opens a stream to the first address of the host that takes it.
pub(super) fn dial(url: &Url, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (url.host(), url.port()).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

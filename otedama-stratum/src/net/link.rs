//! One connection: a stream, its session, and the thread that reads.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use super::inbox::{Inbox, Input};
use super::url::Url;
use crate::client::ClientSession;

/// Closing is dropping.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) url: Url,
    pub(super) session: ClientSession,
    stream: TcpStream,
}

impl Link {
    pub(super) fn new(
        number: u64,
        url: Url,
        stream: TcpStream,
        session: ClientSession,
        inbox: &Arc<Inbox>,
        write_timeout: Duration,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(write_timeout))?;
        let (reading, inbox) = (stream.try_clone()?, Arc::clone(inbox));
        thread::Builder::new().name("stratum-reader".into()).spawn(move || read(&reading, number, &inbox))?;
        Ok(Self { number, url, session, stream })
    }

    /// Sends everything that the session has to say.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while let Some(bytes) = self.session.poll_transmit() {
            self.stream.write_all(&bytes)?;
        }
        Ok(())
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

//! A secured connection, by the reference implementation's codec.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use otedama_conformance::Failure;
use stratum_core::bitcoin::base58;
use stratum_core::codec_sv2::{
    Decoded, Decrypted, Handshake, InitiatorSent, NoiseDecoder, NoiseEncoder, TransportDecryptState,
    TransportEncryptState,
};
use stratum_core::framing_sv2::framing::MessageFrame;
use stratum_core::noise_sv2::Initiator;
use stratum_core::parsers_sv2::{AnyMessage, AnyMessageOwned};

/// What is sent is encrypted here; what comes is decrypted by a thread and waits in a queue.
pub(crate) struct Link {
    stream: TcpStream,
    encoder: NoiseEncoder,
    state: TransportEncryptState,
    /// Ends with the error that ended the connection.
    pub(crate) messages: Receiver<Result<AnyMessageOwned, Failure>>,
}

impl Link {
    /// Connects to `stratum2+tcp://HOST:PORT/KEY`.
    pub(crate) fn open(url: &str) -> Result<Self, Failure> {
        let rest = url.strip_prefix("stratum2+tcp://").ok_or("the URL begins otherwise")?;
        let (address, key) = rest.split_once('/').ok_or("the URL has no key")?;
        let key = base58::decode_check(key)?;
        let key = key.strip_prefix(&[1, 0]).ok_or("the key is of another version")?.try_into()?;

        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let (mut encoder, mut decoder) = (NoiseEncoder::new(), NoiseDecoder::new());
        let initiator = Initiator::from_raw_k(key).map_err(debugged)?;
        let (hello, handshake) = Handshake::initiator(initiator).step_0().map_err(debugged)?;
        stream.write_all(encoder.encode_handshake(hello).as_ref())?;
        let answer = loop {
            match decoder.next_handshake_frame::<InitiatorSent>().map_err(debugged)? {
                Decoded::Frame(answer) => break answer,
                Decoded::Incomplete(_) => stream.read_exact(decoder.writable())?,
            }
        };
        let answer = answer.payload().try_into()?;
        let (state, opened) = handshake.step_2(answer).map_err(debugged)?.split();

        let (sender, messages) = channel();
        let reader = stream.try_clone()?;
        thread::spawn(move || {
            let mut incoming = Incoming { stream: reader, decoder, state: Some(opened) };
            loop {
                let message = incoming.next();
                let over = message.is_err();
                if sender.send(message).is_err() || over {
                    break;
                }
            }
        });
        Ok(Self { stream, encoder, state, messages })
    }

    pub(crate) fn send(&mut self, message: impl Into<AnyMessageOwned>) -> Result<(), Failure> {
        let frame = MessageFrame::try_from(message.into()).map_err(debugged)?;
        let sealed = self.encoder.encode_transport(frame, &mut self.state).map_err(debugged)?;
        Ok(self.stream.write_all(sealed.as_ref())?)
    }
}

struct Incoming {
    stream: TcpStream,
    decoder: NoiseDecoder,
    /// Gone after an error.
    state: Option<TransportDecryptState>,
}

impl Incoming {
    fn next(&mut self) -> Result<AnyMessageOwned, Failure> {
        loop {
            let state = self.state.take().ok_or("the connection is over")?;
            match self.decoder.next_transport_frame(state).map_err(debugged)? {
                Decrypted::Frame(mut frame, state) => {
                    self.state = Some(state);
                    let header = frame.header();
                    let message = AnyMessage::try_from((header, frame.payload())).map_err(debugged)?;
                    return Ok(message.into_owned());
                }
                Decrypted::Incomplete(_, state) => {
                    self.state = Some(state);
                    self.stream.read_exact(self.decoder.writable())?;
                }
            }
        }
    }
}

/// Some errors of the reference implementation are none to the standard library.
pub(crate) fn debugged(error: impl std::fmt::Debug) -> Failure {
    format!("{error:?}").into()
}

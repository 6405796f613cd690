//! Everything that a peer drives has a limit, and all of them are here.

use core::time::Duration;

/// The most parameters that a Stratum V1 message may have; the longest message in use (`mining.notify`) has nine.
pub const MAX_PARAMS: usize = 16;

/// The longest request id that is answered, in bytes of JSON. A UUID with its quotes has 38.
pub const MAX_ID: usize = 64;

/// The longest worker name of Stratum V2's extension 0x0002, in bytes, as the extension says.
pub const MAX_WORKER_NAME: usize = 32;

/// How far the clocks of two peers may be apart when a certificate is judged, in seconds; what other Stratum V2 software
/// allows as well.
#[cfg(feature = "noise")]
pub(crate) const CLOCK_SKEW: u64 = 10;

/// Bytes of memory that a secured connection keeps when it has nothing to do; 64 KiB.
#[cfg(feature = "noise")]
pub(crate) const SPARE_BUFFER: usize = 64 * 1024;

/// Jobs of a Stratum V2 channel whose version a server session remembers. In shares of older ones it cannot tell which
/// bits were rolled.
pub const MAX_VERSIONS: usize = 16;

/// What a client may make a [`ServerSession`](crate::ServerSession) hold, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a line without its line end; 16 KiB. A longer one ends the session.
    pub line: usize,
    /// How deep arrays and objects may lie in each other; 16. The deepest message in use has four levels.
    pub nesting: usize,
    /// Malformed lines in a row that are answered; 16. One more ends the session.
    pub malformed_lines: u32,
    /// Requests that may wait for the embedder's answer; 1024. Shares beyond are refused as
    /// [`Overloaded`](otedama_core::Reject::Overloaded).
    pub pending_answers: usize,
    /// Events that may wait for the embedder; 4096. More end the session.
    pub events: usize,
    /// Bytes that may wait to be sent; 256 KiB. More end the session: the client does not read.
    pub output: usize,
    /// Bytes more that may wait to be sent for every Stratum V2 channel, since each gets jobs of its own; 4 KiB.
    pub output_per_channel: usize,
    /// Bytes of payload in a Stratum V2 frame; 64 KiB. A longer one ends the session.
    pub frame: usize,
    /// Malformed Stratum V2 messages in a row that are overlooked; 16. One more ends the session.
    pub malformed_messages: u32,
    /// Stratum V2 channels of a connection, open and asked for; 4096. Further ones are refused.
    pub channels: usize,
    /// Stratum V2 channels that may wait for the embedder's answer; 1024. Further ones are refused.
    pub opens: usize,
    /// Names that a connection may try to authorise, and as many machines that it may name; 256. Further names are
    /// refused, shares of further machines count for their channel's worker.
    pub workers: usize,
    /// Bytes of a user name; 256. A longer one is refused, as is one with control characters.
    pub user_name: usize,
    /// Bytes of a password; 256. A longer one is refused.
    pub password: usize,
    /// Bytes that are kept of what the client calls itself; 128.
    pub agent: usize,
    /// How long after the connection `mining.subscribe` may come, or `SetupConnection`; 15 s.
    pub subscribe: Duration,
    /// How long after the connection a worker must be authorised; 60 s. Waiting for the embedder does not count. In
    /// Stratum V2: how long a connection may have no channel, at its beginning and later.
    pub authorize: Duration,
    /// How long a line or frame may take from its first byte to its end; 30 s.
    pub line_time: Duration,
    /// How long a client may say nothing at all; 3 h, since a hard share may take long.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 16 * 1024,
            nesting: 16,
            malformed_lines: 16,
            pending_answers: 1024,
            events: 4096,
            output: 256 * 1024,
            output_per_channel: 4 * 1024,
            frame: 64 * 1024,
            malformed_messages: 16,
            channels: 4096,
            opens: 1024,
            workers: 256,
            user_name: 256,
            password: 256,
            agent: 128,
            subscribe: Duration::from_secs(15),
            authorize: Duration::from_secs(60),
            line_time: Duration::from_secs(30),
            silence: Duration::from_secs(3 * 60 * 60),
        }
    }
}

/// What a server may make a [`ClientSession`](crate::ClientSession) hold, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Bytes of a line without its line end; 512 KiB. A longer one ends the session.
    pub line: usize,
    /// Bytes of payload of a frame of Stratum V2; 1 MiB. A longer one ends the session.
    pub frame: usize,
    /// How deep arrays and objects may lie in each other; 16.
    pub nesting: usize,
    /// Malformed lines in a row that are overlooked; 16. One more ends the session.
    pub malformed_lines: u32,
    /// Malformed messages of Stratum V2 in a row that are overlooked; 16. One more ends the session.
    pub malformed_messages: u32,
    /// Bytes of both coinbase halves together; 64 KiB. More end the session.
    pub coinbase: usize,
    /// Hashes of a merkle path; 32. More end the session.
    pub merkle_path: usize,
    /// Bytes of a job id or session id; 256. A longer job id ends the session, a longer session id is not kept.
    pub id: usize,
    /// Jobs for which shares can be submitted; 32. The oldest is forgotten first.
    pub jobs: usize,
    /// Jobs of Stratum V2 that wait for the block that they build on; 8. The oldest is forgotten first.
    pub future_jobs: usize,
    /// Bytes that are kept of a text that the server sends; 256.
    pub text: usize,
    /// Shares that may wait for their answers; 1024. Further ones are not sent.
    pub pending_shares: usize,
    /// Events that may wait for the embedder; 2048. More end the session. Of jobs only the newest waits.
    pub events: usize,
    /// Bytes that may wait to be sent; 256 KiB. More end the session: the server does not read.
    pub output: usize,
    /// How long subscription and authorisation may take together; 30 s.
    pub handshake: Duration,
    /// How long the answer to a request for extensions may take; 5 s. Then the client does without them: servers that
    /// know of no extensions do not answer.
    pub extensions: Duration,
    /// How long the answer to a share may take in Stratum V1; 120 s.
    pub answer: Duration,
    /// How long the answer to a share may take in Stratum V2; 2 h. Servers answer once they have accepted a number of
    /// shares, and hard shares are rare.
    pub batch: Duration,
    /// How long a server may say nothing at all; 10 minutes.
    pub silence: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            line: 512 * 1024,
            frame: 1024 * 1024,
            nesting: 16,
            malformed_lines: 16,
            malformed_messages: 16,
            coinbase: 64 * 1024,
            merkle_path: 32,
            id: 256,
            jobs: 32,
            future_jobs: 8,
            text: 256,
            pending_shares: 1024,
            events: 2048,
            output: 256 * 1024,
            handshake: Duration::from_secs(30),
            extensions: Duration::from_secs(5),
            answer: Duration::from_secs(120),
            batch: Duration::from_secs(2 * 60 * 60),
            silence: Duration::from_secs(600),
        }
    }
}

/// What a client may make a [`TemplateServer`](crate::v2::TemplateServer) hold, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateServerLimits {
    /// Bytes of a frame's payload; 128 KiB, since a coinbase may have 64. A longer one ends the session.
    pub frame: usize,
    /// Bytes that may wait to be sent; 32 MiB, which is several blocks. More end the session: the client does not read.
    pub output: usize,
    /// Events that may wait for the embedder; 256. More end the session.
    pub events: usize,
    /// How long after the connection `SetupConnection` may come; 15 s.
    pub setup: Duration,
    /// How long after that the constraints may come; 15 s.
    pub constraints: Duration,
    /// How long a frame may take from its first byte to its end; 30 s.
    pub frame_time: Duration,
}

impl Default for TemplateServerLimits {
    fn default() -> Self {
        Self {
            frame: 128 * 1024,
            output: 32 * 1024 * 1024,
            events: 256,
            setup: Duration::from_secs(15),
            constraints: Duration::from_secs(15),
            frame_time: Duration::from_secs(30),
        }
    }
}

/// What a server may make a [`TemplateClient`](crate::v2::TemplateClient) hold, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateClientLimits {
    /// Bytes of a frame's payload; 8 MiB, since a block may have four. A longer one ends the session.
    pub frame: usize,
    /// Bytes of a coinbase's prefix; 8, as the specification says. More end the session.
    pub coinbase_prefix: usize,
    /// Hashes of a merkle path; 32. More end the session.
    pub merkle_path: usize,
    /// Transactions of a template; 25,000, and a block has fewer than 17,000. More end the session.
    pub transactions: usize,
    /// Events that may wait for the embedder; 256. More end the session.
    pub events: usize,
    /// Bytes that may wait to be sent; 1 MiB. More end the session: the server does not read.
    pub output: usize,
    /// How long the server may take to agree to the connection; 15 s.
    pub setup: Duration,
    /// How long a frame may take from its first byte to its end; 120 s.
    pub frame_time: Duration,
    /// After how long without a word the server is asked for one; 60 s.
    pub quiet: Duration,
    /// How long it may take to answer that; 30 s.
    pub answer: Duration,
}

impl Default for TemplateClientLimits {
    fn default() -> Self {
        Self {
            frame: 8 * 1024 * 1024,
            coinbase_prefix: 8,
            merkle_path: 32,
            transactions: 25_000,
            events: 256,
            output: 1024 * 1024,
            setup: Duration::from_secs(15),
            frame_time: Duration::from_secs(120),
            quiet: Duration::from_secs(60),
            answer: Duration::from_secs(30),
        }
    }
}

/// What a peer may make a [`noise::Stream`](crate::noise::Stream) hold, and how long it may take.
#[cfg(feature = "noise")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoiseLimits {
    /// Bytes of a frame's payload; 256 KiB. A longer one ends the connection.
    pub frame: usize,
    /// Bytes that may wait to be sent; 512 KiB. More end the connection: the peer does not read.
    pub output: usize,
    /// How long the handshake may take; 10 s.
    pub handshake: Duration,
    /// How long a frame may take from its first byte to its end; 30 s.
    pub frame_time: Duration,
}

#[cfg(feature = "noise")]
impl Default for NoiseLimits {
    fn default() -> Self {
        Self {
            frame: 256 * 1024,
            output: 512 * 1024,
            handshake: Duration::from_secs(10),
            frame_time: Duration::from_secs(30),
        }
    }
}

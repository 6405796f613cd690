//! What can go wrong, and who is at fault.

use otedama_core::Algorithm;

/// There is no code for this algorithm here. The caller chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no implementation of {0}")]
pub struct Unsupported(pub Algorithm);

/// Why a header was not hashed. The caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// There is no code for the algorithm.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The bytes are not as many as a header of the algorithm has.
    #[error("a header has {expected} bytes, not {found}")]
    Length {
        /// Bytes of a header.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The bytes are fewer or more than a header of the algorithm can have.
    #[error("a header has {shortest} to {longest} bytes, not {found}")]
    Lengths {
        /// Bytes of the shortest header.
        shortest: usize,
        /// Bytes of the longest header.
        longest: usize,
        /// Bytes that were given.
        found: usize,
    },
}

impl HashError {
    /// Refuses a length that no header of the algorithm has.
    pub(crate) fn check_length(algorithm: Algorithm, found: usize) -> Result<(), Self> {
        let (shortest, longest) = (algorithm.spec().shortest_header, algorithm.spec().header_len);
        if algorithm.takes(found) {
            Ok(())
        } else if shortest == longest {
            Err(Self::Length { expected: longest, found })
        } else {
            Err(Self::Lengths { shortest, longest, found })
        }
    }
}

/// Why a scan could not be done. No solution that it reported before is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The scanner is for another algorithm: misuse by the caller.
    #[error("this scanner is for {scanner}, the work is for {work}")]
    WrongAlgorithm {
        /// What the scanner can do.
        scanner: Algorithm,
        /// What the work asks for.
        work: Algorithm,
    },
    /// The work's header does not have the algorithm's length: misuse by the caller.
    #[error(transparent)]
    Header(#[from] HashError),
    /// A kernel did not pass its self-test on this machine: the machine, or the kernel, is broken.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// RandomX has no memory, or not the tables of the work.
    #[cfg(feature = "randomx")]
    #[error(transparent)]
    RandomX(#[from] crate::randomx::RandomXError),
    /// Ethash or a relative has no memory, or not the tables of the work.
    #[error(transparent)]
    Ethash(#[from] crate::ethash::EthashError),
    /// The device reports a failure of its own, in its driver's words.
    #[error("the device failed: {0}")]
    Device(Box<str>),
}

/// Why a kernel is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// There is no code for the algorithm.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// No kernel of the algorithm has this name.
    #[error("no kernel {name:?} for {algorithm}; known: {}", known.join(", "))]
    Unknown {
        /// The algorithm.
        algorithm: Algorithm,
        /// The name that was asked for.
        name: Box<str>,
        /// The names that there are, whether or not this CPU can run them.
        known: Vec<&'static str>,
    },
    /// The kernel exists, but this CPU lacks an instruction that it needs.
    #[error("this CPU cannot run the kernel {0:?}")]
    NotOnThisCpu(&'static str),
    /// The memory for a scanner is too small.
    #[error("kernel {kernel:?} works in {needed} bytes of memory, not in {found}")]
    Memory {
        /// The kernel.
        kernel: &'static str,
        /// The bytes that it needs.
        needed: usize,
        /// The bytes that it was given.
        found: usize,
    },
    /// The kernel did not find exactly the nonce of a known block. It must not mine.
    #[error("kernel {kernel:?} failed its self-test: nonce {expected} expected, {found:?} found")]
    SelfTest {
        /// The kernel.
        kernel: &'static str,
        /// The nonce of the known block.
        expected: u64,
        /// What was found instead.
        found: Vec<u64>,
    },
}

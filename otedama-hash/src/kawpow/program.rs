//! The programme of a period, as data.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ethash::limits::MAX_PROGRAMS;

/// Registers of a lane.
pub const REGISTERS: usize = 32;
/// Lanes of a hash, which all run the same programme.
pub const LANES: usize = 16;
/// Words of the first part of the dataset that programmes read as a cache: 16 KiB.
pub const CACHE_WORDS: usize = 4096;
/// Blocks that share a programme.
pub const PERIOD_BLOCKS: u64 = 3;
/// Passes through the programme, each with another 256 bytes of the dataset.
pub const ROUNDS: usize = 64;

/// Reads of the cache in a programme.
const CACHE_READS: usize = 11;
/// Calculations in a programme.
const CALCULATIONS: usize = 18;
/// Words of the dataset that a lane takes in each round.
const LOADS: usize = 4;

/// What all lanes do in each of the 64 rounds of a hash, for three blocks: ProgPoW 0.9.3 (EIP-1057) with the numbers of
/// Ravencoin.
///
/// It is data, from which a processor computes and from which the text of a program for a device can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// The height of the blocks by three.
    pub period: u64,
    /// In this order.
    pub steps: Vec<Step>,
    /// How the four words of the dataset that a lane gets are taken in after the last step, in this order.
    pub loads: [Merge; LOADS],
}

/// One step of a programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A word of the cache is merged into a register. Which one, a register says, modulo [`CACHE_WORDS`].
    Cache {
        /// The register that says it.
        source: u8,
        /// Where it goes.
        into: Merge,
    },
    /// The result of a calculation with two different registers is merged into a third.
    Math {
        /// What is calculated.
        operation: Operation,
        /// The first register.
        first: u8,
        /// The second register.
        second: u8,
        /// Where the result goes.
        into: Merge,
    },
}

/// A calculation with two 32-bit words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The sum, modulo 2^32.
    Add,
    /// The low half of the product.
    Multiply,
    /// The high half of the product.
    MultiplyHigh,
    /// The smaller one.
    Minimum,
    /// The first rotated left by the second.
    RotateLeft,
    /// The first rotated right by the second.
    RotateRight,
    /// Bits that are set in both.
    And,
    /// Bits that are set in one or both.
    Or,
    /// Bits that are set in one.
    Xor,
    /// The leading zeros of both, added up.
    LeadingZeros,
    /// The bits that are set in both, added up.
    CountOnes,
}

/// How a word is merged into a register so that nothing of the register is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The register.
    pub register: u8,
    /// How.
    pub how: How,
}

/// How a word `b` is merged into a register `a`. Rotations are by 1 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `a * 33 + b`.
    MultiplyAdd,
    /// `(a ^ b) * 33`.
    XorMultiply,
    /// `a` rotated left, `^ b`.
    RotateLeft(u8),
    /// `a` rotated right, `^ b`.
    RotateRight(u8),
}

impl Program {
    /// The programme of the blocks of a height.
    #[must_use]
    pub fn at(height: u64) -> Self {
        Self::new(height / PERIOD_BLOCKS)
    }

    /// The programme of a period.
    #[must_use]
    pub fn new(period: u64) -> Self {
        let mut draw = Draw::new(period);
        let mut steps = Vec::with_capacity(CACHE_READS + CALCULATIONS);
        for at in 0..CALCULATIONS {
            if at < CACHE_READS {
                let source = draw.source();
                steps.push(Step::Cache { source, into: draw.merge() });
            }
            let [first, second] = draw.pair();
            let operation = draw.operation();
            steps.push(Step::Math { operation, first, second, into: draw.merge() });
        }
        // The first register is always taken in: it says where the next round reads.
        let first = Merge { register: 0, how: draw.how() };
        let loads = [first, draw.merge(), draw.merge(), draw.merge()];
        Self { period, steps, loads }
    }
}

/// The generator that the choices of a programme come from.
struct Draw {
    random: Kiss99,
    destinations: Shuffled,
    sources: Shuffled,
}

/// All registers, each once before any comes again.
struct Shuffled {
    order: [u8; REGISTERS],
    next: usize,
}

impl Shuffled {
    fn draw(&mut self) -> u8 {
        let register = self.order[self.next % REGISTERS];
        self.next += 1;
        register
    }
}

impl Draw {
    fn new(period: u64) -> Self {
        let [low, high] = halves(period);
        let z = fnv1a(OFFSET, low);
        let w = fnv1a(z, high);
        let jsr = fnv1a(w, low);
        let jcong = fnv1a(jsr, high);
        let mut random = Kiss99 { z, w, jsr, jcong };
        let mut at = 0;
        let ascending = [(); REGISTERS].map(|()| {
            at += 1;
            at - 1
        });
        let mut destinations = Shuffled { order: ascending, next: 0 };
        let mut sources = Shuffled { order: ascending, next: 0 };
        for last in (1..REGISTERS).rev() {
            destinations.order.swap(last, random.below(last + 1));
            sources.order.swap(last, random.below(last + 1));
        }
        Self { random, destinations, sources }
    }

    fn source(&mut self) -> u8 {
        self.sources.draw()
    }

    fn merge(&mut self) -> Merge {
        let register = self.destinations.draw();
        Merge { register, how: self.how() }
    }

    fn how(&mut self) -> How {
        let word = self.random.draw();
        let by = ((word >> 16) % 31 + 1).to_le_bytes()[0];
        match word % 4 {
            0 => How::MultiplyAdd,
            1 => How::XorMultiply,
            2 => How::RotateLeft(by),
            _ => How::RotateRight(by),
        }
    }

    /// Two registers that differ.
    fn pair(&mut self) -> [u8; 2] {
        let pair = self.random.below(REGISTERS * (REGISTERS - 1));
        let (first, other) = (pair % REGISTERS, pair / REGISTERS);
        let second = if other >= first { other + 1 } else { other };
        [first, second].map(|register| register.to_le_bytes()[0])
    }

    fn operation(&mut self) -> Operation {
        match self.random.below(11) {
            0 => Operation::Add,
            1 => Operation::Multiply,
            2 => Operation::MultiplyHigh,
            3 => Operation::Minimum,
            4 => Operation::RotateLeft,
            5 => Operation::RotateRight,
            6 => Operation::And,
            7 => Operation::Or,
            8 => Operation::Xor,
            9 => Operation::LeadingZeros,
            _ => Operation::CountOnes,
        }
    }
}

/// Marsaglia's generator KISS99, as ProgPoW uses it.
pub(super) struct Kiss99 {
    pub(super) z: u32,
    pub(super) w: u32,
    pub(super) jsr: u32,
    pub(super) jcong: u32,
}

impl Kiss99 {
    #[inline(always)]
    pub(super) fn draw(&mut self) -> u32 {
        self.z = 36_969_u32.wrapping_mul(self.z & 0xffff).wrapping_add(self.z >> 16);
        self.w = 18_000_u32.wrapping_mul(self.w & 0xffff).wrapping_add(self.w >> 16);
        self.jcong = 69_069_u32.wrapping_mul(self.jcong).wrapping_add(1_234_567);
        self.jsr ^= self.jsr << 17;
        self.jsr ^= self.jsr >> 13;
        self.jsr ^= self.jsr << 5;
        ((self.z << 16).wrapping_add(self.w) ^ self.jcong).wrapping_add(self.jsr)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.draw() as usize % bound
    }
}

/// Where the hash of Fowler, Noll and Vo begins.
pub(super) const OFFSET: u32 = 0x811c_9dc5;

/// The same hash as Ethash's, multiplication last.
#[inline(always)]
pub(super) const fn fnv1a(hash: u32, word: u32) -> u32 {
    (hash ^ word).wrapping_mul(0x0100_0193)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
pub(super) const fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// The programmes of the last few periods that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Programs(Mutex<Vec<Arc<Program>>>);

impl Programs {
    /// The programme of a height, made if it is not there.
    pub(crate) fn at(&self, height: u64) -> Arc<Program> {
        let period = height / PERIOD_BLOCKS;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let program = match known.iter().position(|program| program.period == period) {
            Some(at) => known.remove(at),
            None => Arc::new(Program::new(period)),
        };
        known.push(Arc::clone(&program));
        let surplus = known.len().saturating_sub(MAX_PROGRAMS);
        known.drain(..surplus);
        program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programme_has_its_steps_and_every_third_block_another() {
        let program = Program::at(5);
        assert_eq!(program, Program::new(1));
        assert_ne!(program, Program::at(6));
        let reads = program.steps.iter().filter(|step| matches!(step, Step::Cache { .. })).count();
        assert_eq!((reads, program.steps.len()), (11, 29));
        assert_eq!(program.loads[0].register, 0);
        for step in &program.steps {
            if let Step::Math { first, second, .. } = step {
                assert_ne!(first, second);
            }
        }
    }

    #[test]
    fn few_programmes_are_kept() {
        let programs = Programs::default();
        let first = programs.at(0);
        for height in (3..3 * 2 * MAX_PROGRAMS as u64).step_by(3) {
            programs.at(height);
            assert!(Arc::ptr_eq(&first, &programs.at(1)), "what is used stays");
        }
        assert_eq!(programs.0.lock().unwrap().len(), MAX_PROGRAMS);
    }
}

//! Answers to shares go out in the order of their submission, whatever order they are given in.

use alloc::collections::VecDeque;

use super::channels::Channels;
use crate::v2::Code;
use crate::v2::mining::{SubmitSharesError, SubmitSharesSuccess};
use crate::v2::outbox::Outbox;

/// Shares from the first that is not yet answered on.
#[derive(Debug, Default)]
pub(super) struct Answers {
    slots: VecDeque<Slot>,
    /// The number of the first.
    first: u64,
    /// Accepted shares whose answer is not written yet.
    batch: Option<Batch>,
}

/// A share on its way to its answer.
#[derive(Debug)]
struct Slot {
    channel: u32,
    sequence: u32,
    /// What it counts for if it is accepted, in expected hashes.
    weight: u128,
    verdict: Option<Result<(), Code>>,
}

/// The channel of a share whose channel is closed: nobody waits for its answer.
const GONE: u32 = u32::MAX;

/// Shares of one channel that were accepted one after the other.
#[derive(Clone, Copy, Debug)]
struct Batch {
    channel: u32,
    last: u32,
    count: u32,
    weight: u128,
}

/// Bytes of a `SubmitShares.Success`.
const SUCCESS: usize = 26;

impl Answers {
    /// A place for the answer to a share, which is already there if it is refused.
    pub(super) fn wait(&mut self, channel: u32, sequence: u32, weight: u128, refused: Option<Code>) -> u64 {
        let number = self.first.wrapping_add(self.slots.len() as u64);
        self.slots.push_back(Slot { channel, sequence, weight, verdict: refused.map(Err) });
        number
    }

    /// Answers the share with this number, if it still waits.
    pub(super) fn settle(&mut self, number: u64, verdict: Result<(), Code>) {
        let slot =
            usize::try_from(number.wrapping_sub(self.first)).ok().and_then(|at| self.slots.get_mut(at));
        if let Some(slot) = slot {
            slot.verdict.get_or_insert(verdict);
        }
    }

    /// Writes what is answered, up to the first that is not. At most `most` accepted shares go into one message.
    pub(super) fn flush(&mut self, out: &mut Outbox, channels: &mut Channels, most: u32) {
        while let Some(Slot { channel, sequence, weight, verdict: Some(verdict) }) = self.slots.front() {
            let (channel, sequence, weight, verdict) = (*channel, *sequence, *weight, *verdict);
            self.slots.pop_front();
            self.first = self.first.wrapping_add(1);
            match verdict {
                _ if channel == GONE => {}
                Ok(()) => {
                    self.accept(out, channels, Batch { channel, last: sequence, count: 1, weight }, most)
                }
                Err(code) => {
                    self.write_batch(out, channels);
                    let error = SubmitSharesError {
                        channel_id: channel,
                        sequence_number: sequence,
                        error_code: code.into(),
                    };
                    // It always fits a frame.
                    out.message(&error);
                }
            }
        }
    }

    fn accept(&mut self, out: &mut Outbox, channels: &mut Channels, one: Batch, most: u32) {
        match &mut self.batch {
            Some(batch) if batch.channel == one.channel => {
                batch.last = one.last;
                batch.count += 1;
                batch.weight = batch.weight.saturating_add(one.weight);
            }
            _ => {
                self.write_batch(out, channels);
                self.batch = Some(one);
            }
        }
        if self.batch.is_some_and(|batch| batch.count >= most) {
            self.write_batch(out, channels);
        }
    }

    /// Writes the answer to accepted shares that is not written yet.
    pub(super) fn write_batch(&mut self, out: &mut Outbox, channels: &mut Channels) {
        let Some(Batch { channel: id, last, count, weight }) = self.batch.take() else { return };
        let Some(channel) = channels.get(id) else { return };
        // Difficulty 1 is 2^32 hashes; what is below is kept for the next sum.
        let weight = channel.remainder.saturating_add(weight);
        channel.remainder = weight & 0xffff_ffff;
        let success = SubmitSharesSuccess {
            channel_id: id,
            last_sequence_number: last,
            new_submits_accepted_count: count,
            new_shares_sum: u64::try_from(weight >> 32).unwrap_or(u64::MAX),
        };
        // It always fits a frame.
        out.message(&success);
    }

    /// Lets the shares of a closed channel go without an answer; the embedder may still give one.
    pub(super) fn close(&mut self, channel: u32) {
        for slot in self.slots.iter_mut().filter(|slot| slot.channel == channel) {
            slot.channel = GONE;
        }
    }

    /// Shares that wait.
    pub(super) fn waiting(&self) -> usize {
        self.slots.len()
    }

    /// Bytes that are held here.
    pub(super) fn len(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + if self.batch.is_some() { SUCCESS + 6 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ChannelKind;
    use crate::v2::server::channels::Channel;
    use crate::v2::{Frame, Message};
    use alloc::string::String;
    use alloc::vec::Vec;
    use otedama_core::{Target, WorkerId};

    fn channels() -> Channels {
        let mut channels = Channels::default();
        for id in [2, 3] {
            channels.open(Channel::new(id, ChannelKind::Standard, WorkerId(0), 12, Target::MAX), None);
        }
        channels
    }

    /// What was written: channel, last sequence number, count and sum, or the code of an error.
    fn written(out: &mut Outbox) -> Vec<(u32, u32, u32, u64, String)> {
        let bytes: Vec<u8> = core::iter::from_fn(|| out.take()).flatten().collect();
        let mut rest = &bytes[..];
        let mut messages = Vec::new();
        while let Some((frame, used)) = Frame::split(rest, 100).unwrap() {
            rest = &rest[used..];
            messages.push(match Message::parse(frame).unwrap().0 {
                Message::SubmitSharesSuccess(m) => (
                    m.channel_id,
                    m.last_sequence_number,
                    m.new_submits_accepted_count,
                    m.new_shares_sum,
                    String::new(),
                ),
                Message::SubmitSharesError(m) => {
                    (m.channel_id, m.sequence_number, 0, 0, std::format!("{}", m.error_code))
                }
                other => unreachable!("{other:?}"),
            });
        }
        messages
    }

    #[test]
    fn answers_keep_the_order_of_the_shares() {
        let (mut answers, mut out, mut channels) = (Answers::default(), Outbox::default(), channels());
        let weight = 3 << 30;
        let tickets: Vec<_> =
            (0..6).map(|n| answers.wait(if n == 5 { 3 } else { 2 }, n, weight, None)).collect();
        for (ticket, verdict) in
            [(5, Ok(())), (1, Ok(())), (3, Err(Code::StaleShare)), (2, Ok(())), (4, Ok(()))]
        {
            answers.settle(tickets[ticket], verdict);
            answers.flush(&mut out, &mut channels, 10);
        }
        assert!(written(&mut out).is_empty(), "the first is still to be answered");
        answers.settle(tickets[0], Ok(()));
        answers.settle(tickets[0], Err(Code::InvalidShare));
        answers.flush(&mut out, &mut channels, 10);
        answers.write_batch(&mut out, &mut channels);
        let stale = (2, 3, 0, 0, String::from("stale-share"));
        // 2.25 and 0.75 make 2 and 1; the other channel has 0.75 of its own.
        let expected =
            [(2, 2, 3, 2, String::new()), stale, (2, 4, 1, 1, String::new()), (3, 5, 1, 0, String::new())];
        assert_eq!(written(&mut out), expected);
        assert_eq!((answers.waiting(), answers.len()), (0, 0));
        answers.settle(tickets[2], Ok(()));
        assert_eq!(answers.wait(2, 6, 1, None), 6);
    }

    #[test]
    fn a_batch_has_a_limit_and_closed_channels_are_left_out() {
        let (mut answers, mut out, mut channels) = (Answers::default(), Outbox::default(), channels());
        for n in 0..5 {
            let ticket = answers.wait(2, n, 1 << 32, None);
            answers.settle(ticket, Ok(()));
        }
        let gone = answers.wait(3, 9, 1, None);
        answers.wait(2, 5, 1, Some(Code::InvalidJobId));
        answers.close(3);
        answers.settle(gone, Ok(()));
        answers.flush(&mut out, &mut channels, 2);
        let good = |last, count| (2, last, count, u64::from(count), String::new());
        let bad = (2, 5, 0, 0, String::from("invalid-job-id"));
        assert_eq!(written(&mut out), [good(1, 2), good(3, 2), good(4, 1), bad]);
    }
}

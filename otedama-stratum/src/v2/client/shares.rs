//! Shares, and what became of them.

use otedama_core::{Extranonce, Moment, Now, Reject, Share};

use super::{Client, write};
use crate::error::SubmitError;
use crate::event::{ChannelKind, ClientEvent, ShareId};
use crate::v2::mining::{SubmitSharesError, SubmitSharesExtended, SubmitSharesStandard, SubmitSharesSuccess};
use crate::v2::{B0_32, Encode, Tlv};

/// A share that the server has yet to answer.
#[derive(Debug)]
pub(super) struct Pending {
    sequence: u32,
    share: ShareId,
    pub(super) sent: Moment,
}

impl Client {
    pub(crate) fn submit(&mut self, share: &Share, now: Now) -> Result<ShareId, SubmitError> {
        if self.failed.is_some() {
            return Err(SubmitError::Ended);
        }
        let live = self.live.iter().rev().find(|live| live.job.id() == share.job);
        let live = live.ok_or(SubmitError::UnknownJob)?;
        let channel = self.channel.ok_or(SubmitError::UnknownJob)?;
        live.job.claim(share)?;
        let nonce = u32::try_from(share.nonce).map_err(|_| Reject::NonceTooWide(share.nonce))?;
        let limit = self.config.limits.pending_shares;
        if self.pending.len() >= limit {
            return Err(SubmitError::Full { limit });
        }
        let (own, mask) = (live.job.body().version(), live.job.terms().version_mask);
        let version = share.version_bits.map_or(own, |bits| own & !mask | bits);
        let id = ShareId(self.numbers.share);
        self.numbers.share = id.0.wrapping_add(1);
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.pending.push_back(Pending { sequence, share: id, sent: now.moment });
        let (channel_id, sequence_number, job_id, ntime) = (channel.id, sequence, live.wire, share.ntime);
        let standard = SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version };
        match self.config.channel {
            ChannelKind::Standard => write(&mut self.out, &standard),
            ChannelKind::Extended => {
                let name = self.config.worker_name.as_deref().filter(|_| self.names);
                let name = name.and_then(|name| Tlv::worker_name(name).ok());
                write(&mut self.out, &extended(standard, &share.extranonce2).with(name.as_slice()));
            }
        }
        self.check_output();
        Ok(id)
    }

    /// All shares up to that number are accepted; those that were refused do not wait any more.
    pub(super) fn accepted(&mut self, message: SubmitSharesSuccess) {
        if self.channel.is_none_or(|channel| channel.id != message.channel_id) {
            return;
        }
        // Numbers wrap; those that wait are never half the numbers apart.
        let until = |from: u32| message.last_sequence_number.wrapping_sub(from) <= u32::MAX / 2;
        if until(self.sequence) {
            return;
        }
        while self.pending.front().is_some_and(|pending| until(pending.sequence)) {
            let Some(pending) = self.pending.pop_front() else { return };
            self.event(ClientEvent::Accepted(pending.share));
        }
    }

    pub(super) fn refused(&mut self, message: &SubmitSharesError<'_>) {
        if self.channel.is_none_or(|channel| channel.id != message.channel_id) {
            return;
        }
        let found = self.pending.iter().position(|pending| pending.sequence == message.sequence_number);
        let Some(pending) = found.and_then(|index| self.pending.remove(index)) else { return };
        let why = self.rejection(message.error_code);
        self.event(ClientEvent::Rejected(pending.share, why));
    }
}

/// The same share, of a channel where the client fills in this extranonce.
fn extended(share: SubmitSharesStandard, extranonce: &Extranonce) -> SubmitSharesExtended<'_> {
    let SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version } = share;
    // An extranonce never has more bytes than the field.
    let extranonce = B0_32::new(extranonce.as_bytes()).unwrap_or_default();
    SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, extranonce }
}

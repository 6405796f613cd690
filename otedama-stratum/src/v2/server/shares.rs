//! Shares come in, answers go out.

use otedama_core::{ChannelId, Extranonce, JobId, Reject, Share, WorkerId};

use super::{Server, SubmitSharesExtended, SubmitSharesStandard, code};
use crate::event::{Refused, ServerEvent, Ticket};
use crate::limits::MAX_WORKER_NAME;
use crate::v1::message::printable;
use crate::v2::Tlvs;

/// A share as it comes, whole version and all.
struct Claimed<'a> {
    sequence: u32,
    version: u32,
    share: Share,
    tlvs: Tlvs<'a>,
}

impl Server {
    pub(super) fn standard_share(&mut self, submit: &SubmitSharesStandard, tlvs: Tlvs<'_>) {
        let SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version } = *submit;
        let (channel, job) = (ChannelId(channel_id), JobId(job_id));
        let share = Share::new(channel, job, Extranonce::EMPTY, ntime, nonce.into());
        self.share(Claimed { sequence: sequence_number, version, share, tlvs });
    }

    pub(super) fn extended_share(&mut self, submit: &SubmitSharesExtended<'_>, tlvs: Tlvs<'_>) {
        let SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, extranonce } =
            *submit;
        let (channel, job) = (ChannelId(channel_id), JobId(job_id));
        // It has at most 32 bytes.
        let extranonce = Extranonce::new(extranonce.as_bytes()).unwrap_or_default();
        let share = Share::new(channel, job, extranonce, ntime, nonce.into());
        self.share(Claimed { sequence: sequence_number, version, share, tlvs });
    }

    fn share(&mut self, claimed: Claimed<'_>) {
        let Claimed { sequence, version, mut share, tlvs } = claimed;
        let id = share.channel.0;
        let Some(channel) = self.channels.get(id) else {
            return self.refuse_share(id, sequence, None, Reject::NotSubscribed);
        };
        let given = channel.given(share.job);
        let weight = given.map_or(channel.weight(), |given| given.weight);
        share.version_bits = given.map(|given| given.rolled(version));
        let owner = channel.worker;
        share.worker = self.machine(owner, tlvs);
        if self.answers.waiting() >= self.config.limits.pending_answers {
            self.refuse_share(id, sequence, Some(share.worker), Reject::Overloaded);
            return self.event(ServerEvent::Uncounted { share });
        }
        let ticket = Ticket(self.answers.wait(id, sequence, weight, None));
        self.event(ServerEvent::Submit { ticket, share });
    }

    /// Who found a share: the machine that is named behind it, else the channel's worker.
    fn machine(&mut self, owner: WorkerId, tlvs: Tlvs<'_>) -> WorkerId {
        if tlvs.as_bytes().is_empty() || !self.peer.as_ref().is_some_and(|peer| peer.worker_names) {
            return owner;
        }
        let Some(name) = tlvs.worker_name() else { return owner };
        match self.workers.machine(owner, name, self.config.limits.workers) {
            None => owner,
            Some((worker, false)) => worker,
            Some((worker, true)) => {
                let name = printable(name, MAX_WORKER_NAME);
                self.event(ServerEvent::Machine { worker, of: owner, name });
                worker
            }
        }
    }

    fn refuse_share(&mut self, channel: u32, sequence: u32, worker: Option<WorkerId>, reject: Reject) {
        self.answers.wait(channel, sequence, 0, Some(code(reject)));
        self.flush();
        self.event(ServerEvent::Refused(Refused::Share(worker, reject)));
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, verdict: Result<(), Reject>) {
        self.answers.settle(ticket.0, verdict.map_err(code));
        self.flush();
        self.check_output();
    }

    fn flush(&mut self) {
        self.answers.flush(&mut self.out, &mut self.channels, self.config.share_batch);
    }
}

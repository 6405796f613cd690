//! Jobs go out.

use otedama_core::Terms;

use super::{Form, GROUP, Server};
use crate::encoded::EncodedJob;
use crate::event::ChannelKind;
use crate::v2::common::Reconnect;
use crate::v2::mining::{NewExtendedMiningJob, NewMiningJob, SetNewPrevHash, SetTarget};
use crate::v2::{EncodeError, Header, Payload, Str0_255, U256, Wire, Writer};

/// Commands.
impl Server {
    pub(crate) fn send_job(&mut self, encoded: &EncodedJob, terms: &Terms) {
        let (form, id) = (encoded.v2(), terms.channel.0);
        let Some(channel) = self.channels.get(id) else { return };
        let (kind, starts) = (channel.kind, channel.is_on(form.tip()) && !encoded.is_clean());
        self.note(form, terms);
        match kind {
            ChannelKind::Standard => self.send(&NewMiningJob {
                channel_id: id,
                job_id: terms.id.0,
                min_ntime: starts.then_some(form.source().ntime),
                version: form.source().version,
                merkle_root: form.merkle_root(&terms.extranonce_prefix).into(),
            }),
            ChannelKind::Extended => self.extended_job(form, id, terms, starts),
        }
        if !starts {
            self.start(form, id, terms);
        }
    }

    pub(crate) fn send_jobs(&mut self, encoded: &EncodedJob, terms: &[Terms]) {
        let form = encoded.v2();
        let together = self.alike(encoded, terms);
        for terms in terms {
            let grouped = self.channels.get(terms.channel.0).is_some_and(|channel| channel.grouped);
            if grouped && together.is_some() {
                self.note(form, terms);
            } else {
                self.send_job(encoded, terms);
            }
        }
        if let Some(Group { terms, starts }) = together {
            self.extended_job(form, GROUP, terms, starts);
            if !starts {
                self.start(form, GROUP, terms);
            }
        }
    }

    pub(crate) fn reconnect(&mut self, host: &str, port: u16) -> bool {
        let survives = self.peer.as_ref().is_some_and(|peer| peer.reconnects);
        let host = Str0_255::new(host).ok().filter(|_| survives);
        if let Some(new_host) = host {
            self.send(&Reconnect { new_host, new_port: port });
        }
        host.is_some()
    }
}

/// A job that all channels of the group get in one message.
struct Group<'a> {
    terms: &'a Terms,
    /// Whether it starts at once.
    starts: bool,
}

impl Server {
    /// Whether the group can have these jobs in one message: all its channels get one, under one number and with the
    /// same version rolling, and all of them may start it in the same way.
    fn alike<'a>(&mut self, encoded: &EncodedJob, all: &'a [Terms]) -> Option<Group<'a>> {
        if self.channels.members() < 2 || !all.is_sorted_by(|one, other| one.channel < other.channel) {
            return None;
        }
        let tip = encoded.v2().tip();
        let (mut members, mut ready, mut first) = (0, 0, None);
        for terms in all {
            let Some(channel) = self.channels.get(terms.channel.0).filter(|channel| channel.grouped) else {
                continue;
            };
            let first = *first.get_or_insert(terms);
            if (first.id, first.version_mask) != (terms.id, terms.version_mask) {
                return None;
            }
            members += 1;
            ready += usize::from(channel.is_on(tip));
        }
        let starts = ready == members && !encoded.is_clean();
        let mixed = ready != 0 && ready != members && !encoded.is_clean();
        let terms = first.filter(|_| members == self.channels.members() && !mixed)?;
        Some(Group { terms, starts })
    }

    /// Notes a job of a channel and tells its share target, if that is new.
    fn note(&mut self, form: &Form, terms: &Terms) {
        let Some(channel) = self.channels.get(terms.channel.0) else { return };
        let (channel_id, target) = (channel.id, terms.share_target);
        let new = channel.retarget(target);
        channel.give(terms.id, form.tip(), form.source().version, terms.version_mask);
        if new {
            self.send(&SetTarget { channel_id, maximum_target: target.into() });
        }
    }

    fn extended_job(&mut self, form: &Form, channel: u32, terms: &Terms, starts: bool) {
        let mut head = [0; HEAD];
        let source = form.source();
        let ntime = starts.then_some(source.ntime);
        let rolling = terms.version_mask != 0;
        let written = write_head(&mut head, form, (channel, terms.id.0, ntime, source.version, rolling));
        if self.failed.is_none()
            && let Some(head) = written.ok().and_then(|len| head.get(..len))
        {
            self.out.put_head(head, form.tail());
            self.check_output();
        }
    }

    /// Starts a job that was sent without a time, and ends all others.
    fn start(&mut self, form: &Form, channel_id: u32, terms: &Terms) {
        let source = form.source();
        self.send(&SetNewPrevHash {
            channel_id,
            job_id: terms.id.0,
            prev_hash: U256::from(source.previous),
            min_ntime: source.ntime,
            nbits: source.nbits.to_bits(),
        });
    }
}

/// The longest beginning of an extended job, up to its merkle path.
const HEAD: usize = Header::LEN + 18;

/// Writes the beginning of an extended job, and says how long it is.
fn write_head(
    out: &mut [u8; HEAD],
    form: &Form,
    fields: (u32, u32, Option<u32>, u32, bool),
) -> Result<usize, EncodeError> {
    let (channel, job, ntime, version, rolling) = fields;
    let len = channel.size() + job.size() + ntime.size() + version.size() + rolling.size();
    type Job<'a> = NewExtendedMiningJob<'a>;
    let header = Header::new(Job::EXTENSION, Job::CHANNEL, Job::KIND, len + form.tail_len())?;
    let mut writer = Writer::new(out);
    writer.put(&header.encode())?;
    channel.write(&mut writer)?;
    job.write(&mut writer)?;
    ntime.write(&mut writer)?;
    version.write(&mut writer)?;
    rolling.write(&mut writer)?;
    Ok(Header::LEN + len)
}

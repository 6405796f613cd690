//! What a server says.

use alloc::string::{String, ToString};
use core::time::Duration;

use otedama_core::{Extranonce, Moment, Now};

use super::{Channel, Client, Phase};
use crate::error::SessionError;
use crate::event::ClientEvent;
use crate::v1::message::printable;
use crate::v2::common::{Reconnect, SetupConnectionError};
use crate::v2::mining::{CloseChannel, SetExtranoncePrefix, SetGroupChannel, SetTarget};
use crate::v2::{Frame, Message, Payload};

impl Client {
    pub(super) fn frame(&mut self, frame: Frame<'_>, now: Now) -> Result<(), SessionError> {
        self.heard = now.moment;
        match Message::parse(frame) {
            Ok((Message::Unknown(_), _)) => {}
            Ok((message, _)) => {
                self.malformed = 0;
                self.message(message, now.moment);
            }
            Err(_) => {
                self.malformed += 1;
                let limit = self.config.limits.malformed_messages;
                if self.malformed > limit {
                    self.fail(SessionError::MalformedMessages { limit });
                }
            }
        }
        self.check()
    }

    /// What is not for a mining client, or out of its time, is dropped.
    fn message(&mut self, message: Message<'_>, now: Moment) {
        match message {
            Message::SetupConnectionSuccess(message) => self.set_up(message, now),
            Message::SetupConnectionError(message) => self.not_set_up(&message),
            Message::RequestExtensionsSuccess(message) => self.extended(&message),
            Message::RequestExtensionsError(message) => self.not_extended(&message),
            Message::OpenStandardMiningChannelSuccess(message) => self.opened_standard(&message),
            Message::OpenExtendedMiningChannelSuccess(message) => self.opened_extended(&message),
            Message::OpenMiningChannelError(message) => self.not_opened(&message),
            Message::NewMiningJob(message) => self.standard_job(&message),
            Message::NewExtendedMiningJob(message) => self.extended_job(&message),
            Message::SetNewPrevHash(message) => self.new_tip(&message),
            Message::SetTarget(message) => self.set_target(message),
            Message::SetExtranoncePrefix(message) => self.set_prefix(&message),
            Message::SetGroupChannel(message) => self.set_group(&message),
            Message::SubmitSharesSuccess(message) => self.accepted(message),
            Message::SubmitSharesError(message) => self.refused(&message),
            Message::CloseChannel(message) => self.closed(&message),
            Message::ChannelEndpointChanged(message) if self.is_mine(message.channel_id) => {
                // Whoever is at the other end now has not agreed to anything.
                self.names = false;
            }
            Message::Reconnect(message) => self.reconnect(&message),
            _ => {}
        }
    }

    fn is_mine(&self, channel: u32) -> bool {
        self.channel.is_some_and(|mine| mine.id == channel)
    }

    /// The channel, if a message to this channel or group is for it.
    pub(super) fn addressed(&mut self, channel: u32) -> Option<&mut Channel> {
        self.channel.as_mut().filter(|mine| mine.id == channel || mine.group == channel)
    }

    fn not_set_up(&mut self, message: &SetupConnectionError<'_>) {
        if self.phase == Phase::Setup {
            let why = self.rejection(message.error_code);
            self.fail(SessionError::SetupRefused(why));
        }
    }

    fn set_target(&mut self, message: SetTarget) {
        if let Some(channel) = self.addressed(message.channel_id) {
            channel.target = message.maximum_target.into();
        }
    }

    fn set_prefix(&mut self, message: &SetExtranoncePrefix<'_>) {
        let prefix = Extranonce::new(message.extranonce_prefix.as_bytes());
        let Some(channel) = self.channel.as_mut().filter(|mine| mine.id == message.channel_id) else {
            return;
        };
        match prefix.filter(|prefix| prefix.len() == channel.prefix.len()) {
            Some(prefix) => channel.prefix = prefix,
            None => self.bad(SetExtranoncePrefix::NAME),
        }
    }

    fn set_group(&mut self, message: &SetGroupChannel<'_>) {
        if let Some(channel) = &mut self.channel
            && message.channel_ids.iter().any(|id| id == channel.id)
        {
            channel.group = message.group_channel_id;
        }
    }

    fn closed(&mut self, message: &CloseChannel<'_>) {
        if self.addressed(message.channel_id).is_some() {
            let why = self.rejection(message.reason_code);
            self.fail(SessionError::ChannelClosed(why));
        }
    }

    fn reconnect(&mut self, message: &Reconnect<'_>) {
        let host: String = printable(&message.new_host.to_string(), self.config.limits.text);
        let host = Some(host).filter(|host| !host.is_empty());
        let port = Some(message.new_port).filter(|port| *port != 0);
        self.event(ClientEvent::Reconnect { host, port, wait: Duration::ZERO });
    }
}

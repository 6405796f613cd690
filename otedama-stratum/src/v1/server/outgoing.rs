//! What a client is told.

use alloc::format;
use alloc::string::String;
use core::fmt::{Display, Write as _};
use core::time::Duration;

use otedama_core::{Extranonce, Reject, Terms, WorkerId};

use super::Server;
use crate::encoded::EncodedJob;
use crate::event::{Refused, ServerEvent, Ticket};
use crate::v1::answers::Request;
use crate::v1::dialect::bitcoin;
use crate::v1::message::{self, Code, Text};

/// Commands.
impl Server {
    pub(crate) fn open_channel(&mut self, prefix: Extranonce) {
        self.prefix = Some(prefix);
        let result = self.subscription(&prefix);
        self.answers
            .settle_all(&mut self.out, Request::Subscribe, |out, id| message::result(out, id, &result));
        self.check_output();
    }

    pub(crate) fn refuse_channel(&mut self) {
        self.answers.settle_all(&mut self.out, Request::Subscribe, |out, id| {
            message::error(out, id, Code::OTHER, &"no channel left");
        });
        self.check_output();
    }

    pub(crate) fn authorize(&mut self, worker: WorkerId, allowed: bool) {
        let index = usize::try_from(worker.0).unwrap_or(usize::MAX);
        if let Some(known) = self.workers.get_mut(index) {
            known.allowed = Some(allowed);
        }
        let write = |out: &mut String, id: &str| authorization(out, id, allowed);
        self.answers.settle_all(&mut self.out, Request::Authorize(worker), write);
        self.check_output();
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, verdict: Result<(), Reject>) {
        self.answers.settle(&mut self.out, ticket.0, |out, id| match verdict {
            Ok(()) => message::result(out, id, "true"),
            Err(reject) => message::error(out, id, Code::of(reject), &reject),
        });
        self.check_output();
    }

    pub(crate) fn send_job(&mut self, encoded: &EncodedJob, terms: &Terms) {
        if self.prefix.is_none() || self.failed.is_some() {
            return;
        }
        let target = terms.share_target;
        if self.sent_target != Some(target) {
            self.sent_target = Some(target);
            let number = bitcoin::difficulty_number(self.config.algorithm, target);
            self.tell("mining.set_difficulty", format_args!("[{number}]"));
        }
        // A template may need some of the negotiated bits for itself; a client that never negotiated rolls nothing.
        if self.version_mask != 0 && self.told_mask != terms.version_mask {
            self.told_mask = terms.version_mask;
            self.tell("mining.set_version_mask", format_args!("[\"{:08x}\"]", terms.version_mask));
        }
        let id = terms.id;
        self.append(|out| {
            let _ = write!(out, "{{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"{id}\"");
        });
        let clean = core::mem::take(&mut self.force_clean);
        if self.answers.owes_subscription() {
            self.answers.append_shared(&mut self.out, encoded.v1(clean));
        } else {
            self.out.share(encoded.v1(clean));
        }
        self.check_output();
    }

    pub(crate) fn change_prefix(&mut self, prefix: Extranonce) -> bool {
        if self.prefix.is_none() || !self.extranonce_changes {
            return false;
        }
        self.prefix = Some(prefix);
        self.force_clean = true;
        let len = self.config.extranonce2_len;
        self.tell("mining.set_extranonce", format_args!("[\"{prefix}\",{len}]"));
        true
    }

    pub(crate) fn show_message(&mut self, text: &str) {
        self.tell("client.show_message", format_args!("[{}]", Text(text)));
    }

    pub(crate) fn reconnect(&mut self, host: &str, port: u16, wait: Duration) {
        let wait = wait.as_secs();
        self.tell("client.reconnect", format_args!("[{},{port},{wait}]", Text(host)));
    }

    pub(crate) fn ping(&mut self) {
        let id = self.next_request();
        self.append(|out| message::request(out, id, "mining.ping", "[]"));
        self.check_output();
    }

    pub(crate) fn ask_version(&mut self) {
        let id = self.next_request();
        self.version_request = Some(id);
        self.append(|out| message::request(out, id, "client.get_version", "[]"));
        self.check_output();
    }
}

/// How it is said.
impl Server {
    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    pub(super) fn subscription(&self, prefix: &Extranonce) -> String {
        let len = self.config.extranonce2_len;
        format!(
            "[[[\"mining.set_difficulty\",\"{prefix}\"],[\"mining.notify\",\"{prefix}\"]],\"{prefix}\",{len}]"
        )
    }

    /// Answers right away, behind the answers that are still owed.
    pub(super) fn say(&mut self, id: Option<&str>, write: impl FnOnce(&mut String, &str)) {
        if let Some(id) = id {
            self.answers.append(&mut self.out, |out| write(out, id));
        }
    }

    pub(super) fn reply(&mut self, id: Option<&str>, result: &str) {
        self.say(id, |out, id| message::result(out, id, result));
    }

    pub(super) fn refuse(&mut self, id: Option<&str>, code: Code, text: &impl Display, refused: Refused) {
        self.say(id, |out, id| message::error(out, id, code, text));
        self.event(ServerEvent::Refused(refused));
    }

    fn tell(&mut self, method: &str, params: core::fmt::Arguments<'_>) {
        self.append(|out| message::request(out, "null", method, params));
        self.check_output();
    }

    /// Writes what is no answer: at once, unless the client still waits for its subscription.
    fn append(&mut self, write: impl FnOnce(&mut String)) {
        if self.failed.is_some() {
            return;
        }
        if self.answers.owes_subscription() {
            self.answers.append(&mut self.out, write);
        } else {
            write(self.out.tail());
        }
    }
}

pub(super) fn authorization(out: &mut String, id: &str, allowed: bool) {
    if allowed {
        message::result(out, id, "true");
    } else {
        message::refusal(out, id, "false", Code::UNAUTHORIZED, &Reject::Unauthorized);
    }
}

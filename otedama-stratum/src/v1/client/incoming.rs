//! What a server says.

use alloc::string::{String, ToString};
use core::time::Duration;

use otedama_core::{Moment, Now, hex};

use super::{Client, Kind};
use crate::error::SessionError;
use crate::event::{ClientEvent, Rejection};
use crate::v1::json::{Message, Params, Raw};
use crate::v1::message::{self, Code, Text, printable};

impl Client {
    pub(super) fn line(&mut self, line: &[u8], now: Now) -> Result<(), SessionError> {
        if line.is_empty() {
            return Ok(());
        }
        self.heard = now.moment;
        match Message::parse(line, self.config.limits.nesting) {
            Err(_) => {
                self.malformed += 1;
                let limit = self.config.limits.malformed_lines;
                if self.malformed > limit {
                    self.fail(SessionError::Malformed { limit });
                }
            }
            Ok(Message::Request { id, method, params }) => {
                self.malformed = 0;
                self.request(id, &method, params);
            }
            Ok(Message::Response { id, result, error, reject_reason }) => {
                self.malformed = 0;
                let limit = self.config.limits.text;
                let outcome = outcome(result, error, reject_reason, limit);
                self.response(id, outcome, now.moment);
            }
        }
        self.check_output();
        self.check()
    }

    fn response(&mut self, id: Raw<'_>, outcome: Result<Raw<'_>, Rejection>, now: Moment) {
        let found = id.whole().and_then(|id| self.pending.iter().position(|pending| pending.request == id));
        let Some(pending) = found.and_then(|index| self.pending.remove(index)) else { return };
        match (pending.kind, outcome) {
            (Kind::Configure, Ok(result)) => self.configured(result),
            (Kind::Subscribe { .. }, Ok(result)) => self.subscribed(result),
            (Kind::Subscribe { resuming: true }, Err(_)) => self.subscribe(None, now),
            (Kind::Subscribe { .. }, Err(why)) => self.fail(SessionError::SubscribeRefused(why)),
            (Kind::Authorize, Ok(_)) => self.authorized(now),
            (Kind::Authorize, Err(why)) => self.fail(SessionError::LoginRefused(why)),
            (Kind::Configure, Err(_)) | (Kind::Wish, _) => {}
            (Kind::Share(share), outcome) => {
                self.pending_shares -= 1;
                self.event(match outcome {
                    Ok(_) => ClientEvent::Accepted(share),
                    Err(why) => ClientEvent::Rejected(share, why),
                });
            }
        }
    }

    fn request(&mut self, id: Option<&str>, method: &str, params: Params<'_>) {
        let id = id.filter(|id| *id != "null");
        let items = params.items().unwrap_or_default();
        match method {
            "mining.notify" => self.notify(&items),
            "mining.set_difficulty" => self.set_difficulty(&items),
            "mining.set_extranonce" => self.set_extranonce(&items),
            "mining.set_version_mask" => {
                let mask = items.text(0).and_then(|mask| hex::decode_u32(mask.as_bytes()).ok());
                match mask {
                    Some(mask) => self.change_mask(mask),
                    None => self.bad("mining.set_version_mask"),
                }
            }
            "mining.ping" => self.answer(id, |out, id| message::result(out, id, "\"pong\"")),
            "client.get_version" => {
                let agent = Text(&self.config.agent).to_string();
                self.answer(id, |out, id| message::result(out, id, &agent));
            }
            "client.show_message" => {
                let text = printable(&items.text(0).unwrap_or_default(), self.config.limits.text);
                self.event(ClientEvent::Message(text));
            }
            "client.reconnect" => {
                let host = items.text(0).map(|host| printable(&host, self.config.limits.text));
                let host = host.filter(|host| !host.is_empty());
                let port = items.get(1).whole().and_then(|port| u16::try_from(port).ok());
                let wait = Duration::from_secs(items.get(2).whole().unwrap_or(0));
                self.event(ClientEvent::Reconnect { host, port, wait });
            }
            _ => self.answer(id, |out, id| message::error(out, id, Code::METHOD, &"unknown method")),
        }
    }

    fn answer(&mut self, id: Option<&str>, write: impl FnOnce(&mut String, &str)) {
        if let Some(id) = id {
            write(self.out.tail(), id);
        }
    }
}

/// What an answer says, in all the shapes that pools use.
fn outcome<'a>(result: Raw<'a>, error: Raw<'_>, reason: Raw<'_>, limit: usize) -> Result<Raw<'a>, Rejection> {
    if !error.is_null() {
        return Err(rejection(error, limit));
    }
    if result.is_null() || result.boolean() == Some(false) {
        let message = printable(&reason.text().unwrap_or_default(), limit);
        return Err(Rejection { code: None, message });
    }
    Ok(result)
}

/// An error as `[code, message, …]`, `{"code": …, "message": …}`, or text.
fn rejection(error: Raw<'_>, limit: usize) -> Rejection {
    let (code, message) = if error.is_array() {
        let items = error.items().unwrap_or_default();
        (items.get(0), items.get(1))
    } else if error.is_object() {
        (error.field("code"), error.field("message"))
    } else {
        (Raw::NULL, error)
    };
    let message = message.text().unwrap_or_else(|| message.json().into());
    let message = if message == "null" { String::new() } else { printable(&message, limit) };
    Rejection { code: code.json().parse().ok(), message }
}

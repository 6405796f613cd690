#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod account;
pub mod journal;
pub mod ledger;
pub mod node;
pub mod scheme;
mod template;

pub use account::{Account, PoolName};
pub use template::{Template, TemplateTransaction};

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod account;
mod coin;
pub mod journal;
pub mod ledger;
mod limits;
pub mod node;
pub mod scheme;
mod template;
pub mod vardiff;

pub use account::{Account, PoolName};
pub use coin::{Address, AddressError, Chain, Coin};
pub use template::{CoinbaseOutput, CoinbasePlan, Marker, Template, TemplateError, TemplateTransaction};

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod account;
mod coin;
pub mod core;
pub mod extranonce;
mod hashing;
pub mod job;
pub mod journal;
pub mod ledger;
mod limits;
pub mod node;
#[cfg(any(feature = "server", feature = "sqlite"))]
mod points;
#[cfg(feature = "server")]
pub mod provider;
pub mod scheme;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "sim")]
pub mod sim;
mod template;
pub mod testkit;
mod user;
pub mod validator;
pub mod vardiff;

pub use account::{Account, PoolName};
pub use coin::{Address, AddressError, Chain, Coin};
#[cfg(feature = "server")]
pub use server::Pool;
pub use template::{CoinbaseOutput, CoinbasePlan, Marker, Template, TemplateError, TemplateTransaction};
pub use user::User;

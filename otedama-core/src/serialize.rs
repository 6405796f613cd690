//! `serde` for the vocabulary: texts as people write them, amounts and weights as decimal strings (JSON numbers lose
//! digits above 2^53).

use alloc::string::{String, ToString};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Algorithm, AlgorithmSet, Amount, CompactTarget, Digest, Extranonce, Hash256, Percent, Target, UnixTime,
    Weight, hex,
};

macro_rules! as_text {
    ($($type:ty => $read:expr, $expected:literal;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                let read: fn(&str) -> Option<$type> = $read;
                read(&text).ok_or_else(|| D::Error::custom(alloc::format!("{text:?} is not {}", $expected)))
            }
        }
    )*};
}

as_text! {
    Algorithm => |text| AlgorithmSet::builtin().find(text), "a built-in algorithm";
    Amount => |text| plain_number(text).map(Amount::from_atomic), "a decimal number of atomic units";
    Weight => |text| plain_number(text).map(Weight::new), "a decimal number of hashes";
    Percent => |text| text.parse().ok(), "a percentage with at most six places";
    Target => |text| Target::from_hex_be(text).ok(), "64 hex digits";
    CompactTarget => |text| hex::decode_u32(text.as_bytes()).ok().map(CompactTarget::from_bits), "8 hex digits";
    Digest => |text| hex::decode_array(text.as_bytes()).ok().map(Digest::new), "64 hex digits";
    Hash256 => |text| Hash256::from_rpc_hex(text).ok(), "64 hex digits";
    Extranonce => |text| Extranonce::from_hex(text).ok(), "hex of at most 32 bytes";
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.as_secs())
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u64::deserialize(from).map(Self::from_secs)
    }
}

/// Digits only, in the one spelling that `Display` gives.
fn plain_number(text: &str) -> Option<u128> {
    text.parse::<u128>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn round_trip<T: Serialize + for<'de> Deserialize<'de> + PartialEq + Debug>(value: T, json: &str) {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(serde_json::from_str::<T>(json).unwrap(), value);
    }

    #[test]
    fn values_are_texts() {
        round_trip(Algorithm::SCRYPT, "\"scrypt\"");
        round_trip(Amount::from_atomic(u128::MAX), "\"340282366920938463463374607431768211455\"");
        round_trip(Weight::new(7), "\"7\"");
        round_trip("1.5".parse::<Percent>().unwrap(), "\"1.5\"");
        round_trip(CompactTarget::from_bits(0x1d00_ffff), "\"1d00ffff\"");
        round_trip(Extranonce::from_hex("00ff").unwrap(), "\"00ff\"");
        round_trip(UnixTime::from_secs(5), "5");
        for bad in ["\"+1\"", "\"01\"", "1", "\"\"", "\" 1\""] {
            assert!(serde_json::from_str::<Amount>(bad).is_err(), "{bad}");
        }
    }
}

//! Each data type of ours as the reference implementation's.

use otedama_stratum::v2::common::Protocol;
use otedama_stratum::v2::{Octets, Seq, Str0_255, U256, Wire};
use stratum_core::binary_sv2::{
    B016MOwned, B032Owned, B064KOwned, B0255Owned, Seq064KOwned, Seq0255Owned, Sv2OptionOwned, U256Owned,
};
use stratum_core::common_messages_sv2::Protocol as TheirProtocol;

/// A value of ours with its twin.
pub(crate) trait Twin<Theirs> {
    fn twin(&self) -> Theirs;
}

macro_rules! same {
    ($($type:ty),*) => {$(
        impl Twin<$type> for $type {
            fn twin(&self) -> $type {
                *self
            }
        }
    )*};
}

same!(bool, u16, u32, u64, f32);

impl Twin<TheirProtocol> for Protocol {
    fn twin(&self) -> TheirProtocol {
        match *self {
            Self::MINING => TheirProtocol::MiningProtocol,
            Self::JOB_DECLARATION => TheirProtocol::JobDeclarationProtocol,
            _ => TheirProtocol::TemplateDistributionProtocol,
        }
    }
}

impl Twin<U256Owned> for U256 {
    fn twin(&self) -> U256Owned {
        U256Owned::from(self.0)
    }
}

impl Twin<B0255Owned> for Str0_255<'_> {
    fn twin(&self) -> B0255Owned {
        B0255Owned::new(self.as_bytes().to_vec()).unwrap()
    }
}

macro_rules! bytes {
    ($($max:literal $theirs:ty),*) => {$(
        impl Twin<$theirs> for Octets<'_, $max> {
            fn twin(&self) -> $theirs {
                <$theirs>::new(self.as_bytes().to_vec()).unwrap()
            }
        }
    )*};
}

bytes!(32 B032Owned, 255 B0255Owned, 0xffff B064KOwned, 0xff_ffff B016MOwned);

impl Twin<Sv2OptionOwned<u32>> for Option<u32> {
    fn twin(&self) -> Sv2OptionOwned<u32> {
        Sv2OptionOwned::new(*self)
    }
}

impl<'a, T: Wire<'a> + Clone + Twin<U>, U> Twin<Seq0255Owned<U>> for Seq<'a, T, 255> {
    fn twin(&self) -> Seq0255Owned<U> {
        Seq0255Owned::new(self.iter().map(|element| element.twin()).collect()).unwrap()
    }
}

impl<'a, T: Wire<'a> + Clone + Twin<U>, U> Twin<Seq064KOwned<U>> for Seq<'a, T, 0xffff> {
    fn twin(&self) -> Seq064KOwned<U> {
        Seq064KOwned::new(self.iter().map(|element| element.twin()).collect()).unwrap()
    }
}

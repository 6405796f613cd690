//! nBits and targets: rounding goes down, once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otedama_core::{CompactTarget, Target};

fuzz_target!(|data: ([u8; 32], u32, u8)| {
    let (mut bytes, bits, zeros) = data;
    if let Ok(target) = CompactTarget::from_bits(bits).target() {
        assert!(target > Target::ZERO);
        let again = target.to_compact();
        assert_eq!(again.target(), Ok(target), "the normal form means the same");
        assert_eq!(target.to_compact(), again);
    }
    bytes[..usize::from(zeros) % 32].fill(0);
    let target = Target::from_be_bytes(bytes);
    assert_eq!(Target::from_le_bytes(target.to_le_bytes()), target);
    if let Ok(rounded) = target.to_compact().target() {
        assert!(rounded <= target);
        assert_eq!(rounded.to_compact(), target.to_compact());
    }
    assert!(target.weight().get() >= 1);
    assert!(
        Target::from_weight(target.weight())
            .is_some_and(|easiest| easiest >= target || target.weight() == otedama_core::Weight::MAX)
    );
});

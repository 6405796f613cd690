//! The wide integers underneath targets and weights; never part of a public signature.

use ruint::Uint;

pub(crate) type U256 = Uint<256, 4>;
pub(crate) type U512 = Uint<512, 8>;

/// A 512-bit number as a 256-bit one, `U256::MAX` if it is larger.
pub(crate) fn narrow(number: U512) -> U256 {
    let limbs = number.as_limbs();
    if limbs[4..].iter().any(|limb| *limb != 0) {
        return U256::MAX;
    }
    U256::from_limbs([limbs[0], limbs[1], limbs[2], limbs[3]])
}

/// `floor(a * b / c)` for a quotient that fits, `None` if `c` is zero or it does not fit.
pub(crate) fn mul_div(a: u128, b: u128, c: u128) -> Option<u128> {
    if c == 0 {
        return None;
    }
    let product = U256::from(a) * U256::from(b);
    u128::try_from(product / U256::from(c)).ok()
}

/// `a * b mod c`; `c` must not be zero.
pub(crate) fn mul_rem(a: u128, b: u128, c: u128) -> Option<u128> {
    if c == 0 {
        return None;
    }
    let product = U256::from(a) * U256::from(b);
    u128::try_from(product % U256::from(c)).ok()
}

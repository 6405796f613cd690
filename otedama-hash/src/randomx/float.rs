//! The rounding mode, which RandomX changes and must not keep.

#![expect(unsafe_code, reason = "the floating-point environment belongs to the C library")]

use core::ffi::{c_int, c_void};

// SAFETY: the signatures are those of <fenv.h>, with the environment as bytes.
unsafe extern "C" {
    fn fegetenv(environment: *mut c_void) -> c_int;
    fn fesetenv(environment: *const c_void) -> c_int;
}

/// The thread's floating-point environment as it was when this was made; it is set again when this is dropped.
///
/// The library leaves the rounding mode of its last program behind when hashes are computed one after the other, and
/// all code of this language relies on the usual one.
pub(super) struct Environment(Bytes);

/// Room for a `fenv_t`, which has 8 bytes (Arm) to 32 bytes (x86) where this builds.
#[repr(C, align(16))]
struct Bytes([u8; 256]);

impl Environment {
    pub(super) fn save() -> Self {
        let mut bytes = Bytes([0; 256]);
        // SAFETY: writes one `fenv_t`, for which there is room, suitably aligned.
        unsafe { fegetenv((&raw mut bytes).cast()) };
        Self(bytes)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // SAFETY: reads what `fegetenv` wrote.
        unsafe { fesetenv((&raw const self.0).cast()) };
    }
}

//! Where there are no tables to walk a stack by (`build.rs`), nobody walks: a panic says its message and place, and no frames.
//!
//! The standard library would look for them all the same, and for their names in a file that has none: 0.22 MB of code. It
//! asks by these functions, which are found here before the toolchain's own.
#![expect(unsafe_code, reason = "they are found by their names")]

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`.
const NO_FRAMES: c_int = 5;

/// Calls `_each` for no frame.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_each: *const c_void, _argument: *mut c_void) -> c_int {
    NO_FRAMES
}

/// Of a panic that unwinds. Ours ends the process before.
macro_rules! never_called {
    ($($name:ident)+) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> ! {
                std::process::abort()
            }
        )+
    };
}

never_called! {
    _Unwind_GetDataRelBase _Unwind_GetIPInfo _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart
    _Unwind_GetTextRelBase _Unwind_Resume _Unwind_SetGR _Unwind_SetIP
}

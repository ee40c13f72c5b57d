//! Open files that this program inherited.

/// Keeps every open file but the three standard streams from the programs that are started from now
/// on. What this program opens itself is kept from them already; this is about what it inherited, such
/// as a lock that a batch script holds and that a background process must not hold on to. The
/// reference closes these files too.
///
/// Does nothing where the system has no such call: Linux before 5.11, other systems.
pub(super) fn keep_inherited_files() {
    #[cfg(target_os = "linux")]
    {
        const FIRST: libc::c_uint = 3;
        #[expect(
            unsafe_code,
            reason = "the call has no safe wrapper; it takes numbers and changes flags only"
        )]
        // SAFETY: no memory is passed. Files stay open and usable in this process.
        unsafe {
            libc::syscall(
                libc::SYS_close_range,
                FIRST,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
        }
    }
}

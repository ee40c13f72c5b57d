//! Ports for the servers that the tests start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports are below those that a system gives to connections on its own: Linux begins at 32768,
/// others at 49152. Otherwise any program's connection could take a port before its server does, or
/// while its server is away.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 at which nothing listens. No two calls give the same.
pub(crate) fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time begin at different ports.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let offset = start.wrapping_add(call) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("less than the count");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("every port from {FIRST} to {} is taken", FIRST + COUNT);
}

//! A TCP proxy on loopback that cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hands connections on to a server, and cuts the first ones of those that bring more than some bytes.
pub(super) struct CuttingProxy {
    pub(super) port: u16,
    cuts: Arc<AtomicUsize>,
}

/// Whose bytes are counted.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
}

/// Which connections are cut.
#[derive(Clone)]
struct Rule {
    side: Side,
    after: usize,
    most: usize,
    cuts: Arc<AtomicUsize>,
}

impl CuttingProxy {
    /// Cuts `most` connections after `after` bytes from the server.
    pub(super) fn start(server: u16, after: usize, most: usize) -> Self {
        Self::serve(server, Side::Server, after, most)
    }

    /// Cuts `most` connections after `after` bytes to the server.
    pub(super) fn of_uploads(server: u16, after: usize, most: usize) -> Self {
        Self::serve(server, Side::Client, after, most)
    }

    fn serve(server: u16, side: Side, after: usize, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let rule = Rule {
            side,
            after,
            most,
            cuts: Arc::clone(&cuts),
        };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let rule = rule.clone();
                std::thread::spawn(move || {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                        hand_on(&client, &server, &rule);
                    }
                });
            }
        });
        Self { port, cuts }
    }

    /// How many connections were cut.
    pub(super) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

fn hand_on(client: &TcpStream, server: &TcpStream, rule: &Rule) {
    let end = || {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if relay(client, server, Side::Client, rule) {
                end()
            } else {
                drop(server.shutdown(Shutdown::Write))
            }
        });
        relay(server, client, Side::Server, rule);
        end();
    });
}

/// Hands bytes on until the connection ends, or gives true where it is to be cut.
fn relay(mut from: &TcpStream, mut to: &TcpStream, side: Side, rule: &Rule) -> bool {
    let mut buffer = [0; 65536];
    let mut brought = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            return false;
        }
        brought += read;
        if side == rule.side && brought > rule.after && rule.cuts.load(Ordering::SeqCst) < rule.most {
            rule.cuts.fetch_add(1, Ordering::SeqCst);
            return true;
        }
    }
    false
}

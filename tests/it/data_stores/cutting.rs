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

impl CuttingProxy {
    /// Cuts `most` connections after `after` bytes from the server.
    pub(super) fn start(server: u16, after: usize, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                        hand_on(client, server, after, most, &counter);
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

fn hand_on(mut client: TcpStream, mut server: TcpStream, after: usize, most: usize, cuts: &AtomicUsize) {
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 65536];
    let mut brought = 0;
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        if client.write_all(&buffer[..read]).is_err() {
            break;
        }
        brought += read;
        if brought > after && cuts.load(Ordering::SeqCst) < most {
            cuts.fetch_add(1, Ordering::SeqCst);
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

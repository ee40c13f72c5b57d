//! Connections: accepted, secured, cut.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::X509VerifyResult;
use openssl::x509::store::X509StoreBuilder;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_openssl::SslStream;

use crate::request;
use crate::server::{Shared, Tls};

/// What a test asks of the thread that serves.
pub(crate) enum Command {
    /// Go away for this time, and until nothing is to be done any more in the meantime.
    Restart {
        away: Duration,
        gone: Sender<()>,
        done: oneshot::Receiver<()>,
        ready: Sender<SocketAddr>,
    },
    Stop,
}

/// What a request knows of its connection.
#[derive(Clone)]
pub(crate) struct Connection {
    /// Cuts it.
    pub(crate) cut: Arc<Notify>,
    /// Whether a certificate has let the client in.
    pub(crate) has_certificate: bool,
}

/// Serves until it is told to stop. Tells where it listens.
pub(crate) fn run(
    shared: Arc<Shared>,
    mut ready: Sender<SocketAddr>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let acceptor = shared.options.tls.as_ref().map(acceptor);
    runtime.block_on(async move {
        // Bound and never listening: nobody else gets the port while the server is away.
        let reserved = socket(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = reserved.local_addr().expect("an address");
        loop {
            let accepting = loop {
                match socket(address).and_then(|socket| socket.listen(1024)) {
                    // A program that is being started has the test's sockets too, for a moment.
                    Err(error) if error.kind() == ErrorKind::AddrInUse => {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    accepting => break accepting.expect("a listener"),
                }
            };
            let _ = ready.send(address);
            let mut connections = JoinSet::new();
            let (away, gone, done) = loop {
                tokio::select! {
                    command = commands.recv() => match command {
                        Some(Command::Restart { away, gone, done, ready: asker }) => {
                            ready = asker;
                            break (away, gone, done);
                        }
                        Some(Command::Stop) | None => return,
                    },
                    accepted = accepting.accept() => if let Ok((stream, _)) = accepted {
                        connections.spawn(serve(Arc::clone(&shared), stream, acceptor.clone()));
                    },
                }
            };
            // The connections are cut where they are.
            connections.shutdown().await;
            drop(accepting);
            let until = tokio::time::Instant::now() + away;
            let _ = gone.send(());
            let _ = done.await;
            tokio::time::sleep_until(until).await;
        }
    });
}

/// A socket of the address, which others may share while none of them listens.
fn socket(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn acceptor(tls: &Tls) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
    builder.set_certificate(&tls.certificate).expect("a certificate");
    builder.set_private_key(&tls.key).expect("a key");
    if let Some(authority) = &tls.client_authority {
        let mut store = X509StoreBuilder::new().expect("a store");
        store.add_cert(authority.clone()).expect("a certificate");
        builder.set_verify_cert_store(store.build()).expect("a store");
        // As the real server: a certificate is asked for, a token is as good, and whoever has no valid
        // one gets an answer that says so.
        builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
    }
    builder.build()
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, acceptor: Option<SslAcceptor>) {
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => serve_stream(shared, stream, false).await,
        Some(acceptor) => {
            let Ok(mut stream) = Ssl::new(acceptor.context()).and_then(|ssl| SslStream::new(ssl, stream))
            else {
                return;
            };
            if Pin::new(&mut stream).accept().await.is_ok() {
                let ssl = stream.ssl();
                let has_certificate =
                    ssl.peer_certificate().is_some() && ssl.verify_result() == X509VerifyResult::OK;
                serve_stream(shared, stream, has_certificate).await;
            }
        }
    }
}

async fn serve_stream<S>(shared: Arc<Shared>, stream: S, has_certificate: bool)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let cut = Arc::new(Notify::new());
    let connection = Connection {
        cut: Arc::clone(&cut),
        has_certificate,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, connection) = (Arc::clone(&shared), connection.clone());
        async move {
            Ok::<_, std::convert::Infallible>(
                request::answer(shared, connection, request.map(Body::new)).await,
            )
        }
    });
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = serving => {}
        () = cut.notified() => {}
    }
}

//! `ftp://`: files of an FTP server (RFC 959, with the passive mode of RFC 2428).

mod control;
mod upload;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncRead, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use self::control::{Control, connect, strange};

use super::list::path_below;
use super::{Body, Found, Listing, Object, Source, Store, StoreError, open_file};

const NAME: &str = "the FTP server";
/// Servers limit how many connections one client may have.
const MOST_CONNECTIONS: usize = 4;

/// A file or directory of a server.
pub(in crate::data) struct Ftp {
    host: String,
    port: u16,
    user: String,
    password: String,
    is_anonymous: bool,
    path: String,
    connections: Arc<Semaphore>,
    /// Directories, relative to the place, that have not been listed yet.
    left: Mutex<VecDeque<String>>,
    /// The path of a file that is being put and not whole yet.
    unfinished: Mutex<Option<String>>,
}

/// A file that arrives; its connection for commands stays open as long.
struct Download {
    data: TcpStream,
    _control: Control,
}

impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.data).poll_read(context, buffer)
    }
}

impl Ftp {
    /// The place that the URL names; nothing is sent.
    pub(in crate::data) fn new(url: &Url) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let is_anonymous = url.username().is_empty();
        Self {
            host: url
                .host_str()
                .unwrap_or("localhost")
                .trim_matches(['[', ']'])
                .to_owned(),
            port: url.port().unwrap_or(21),
            user: match is_anonymous {
                true => "anonymous".to_owned(),
                false => decoded(url.username()),
            },
            password: url.password().map_or_else(|| "anonymous@".to_owned(), decoded),
            is_anonymous,
            path: match decoded(url.path()) {
                path if path.is_empty() => "/".to_owned(),
                path => path,
            },
            connections: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            left: Mutex::default(),
            unfinished: Mutex::default(),
        }
    }

    fn asker(&self) -> String {
        match self.is_anonymous {
            true => "an anonymous login (the URL names no user)".to_owned(),
            false => "the credentials from the URL".to_owned(),
        }
    }

    /// A connection that is logged in and transfers bytes as they are.
    async fn connect(&self) -> Result<Control, StoreError> {
        let permit = Arc::clone(&self.connections).acquire_owned().await;
        let permit = permit.map_err(|error| strange(error.to_string()))?;
        let stream = connect(&self.host, self.port).await?;
        let mut control = Control {
            stream: BufReader::new(stream),
            asker: self.asker(),
            _permit: permit,
        };
        control.answer().await?.expect(&[220], &control.asker)?;
        let user = control.command("USER", &self.user).await?;
        if user.code == 331 {
            let asker = control.asker.clone();
            control
                .command("PASS", &self.password)
                .await?
                .expect(&[230, 202], &asker)?;
        } else {
            user.expect(&[230], &control.asker)?;
        }
        let asker = control.asker.clone();
        control.command("TYPE", "I").await?.expect(&[200], &asker)?;
        Ok(control)
    }

    fn below(&self, path: &str) -> String {
        match path {
            "" => self.path.clone(),
            path => format!("{}/{path}", self.path.trim_end_matches('/')),
        }
    }

    /// What lies directly in a directory, given relative to the place. Nothing where it is none.
    async fn list(&self, directory: &str) -> Result<Option<Listing>, StoreError> {
        let mut control = self.connect().await?;
        let whole = self.below(directory);
        if !control.is_directory(&whole).await? {
            return Ok(None);
        }
        // The names of the directory that the connection is in: a path could be taken for options.
        let names = control.names(&self.host).await?;
        let mut listing = Listing::default();
        for name in names {
            let name = name.rsplit('/').next().unwrap_or_default();
            if matches!(name, "" | "." | "..") {
                continue;
            }
            let relative = match directory {
                "" => name.to_owned(),
                directory => format!("{directory}/{name}"),
            };
            let Some(path) = path_below("", &relative)? else {
                continue;
            };
            let key = self.below(&path);
            match control.size(&key).await? {
                Some(size) if !control.is_directory(&key).await? => listing.objects.push(Object {
                    key,
                    path,
                    size: Some(size),
                    ..Object::default()
                }),
                None if !control.is_directory(&key).await? => listing.objects.push(Object {
                    key,
                    path,
                    ..Object::default()
                }),
                _ => self.left().push_back(path),
            }
        }
        if listing.objects.is_empty() && !directory.is_empty() {
            listing.empty_directories.push(directory.to_owned());
        }
        listing.next = self.left().pop_front();
        Ok(Some(listing))
    }

    fn left(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfinished(&self) -> MutexGuard<'_, Option<String>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Ftp {
    async fn find(&self) -> Result<Found, StoreError> {
        if let Some(listing) = self.list("").await? {
            return Ok(Found::Directory(listing));
        }
        let mut control = self.connect().await?;
        let answer = control.command("SIZE", &self.path).await?;
        let size = answer.size();
        // A server without that command says so in another way than one without the file.
        if size.is_none() && answer.code == 550 {
            return Err(StoreError::Missing {
                said: format!("{NAME} answered {} {}", answer.code, answer.text),
            });
        }
        Ok(Found::File(Object {
            key: self.path.clone(),
            size,
            ..Object::default()
        }))
    }

    async fn more(&self, next: &str) -> Result<Listing, StoreError> {
        let listing = self.list(next).await?;
        listing.ok_or_else(|| strange(format!("the directory '{next}' is gone")))
    }

    async fn open(
        &self,
        object: &Object,
        range: Option<Range<u64>>,
        _validator: Option<&str>,
    ) -> Result<Body, StoreError> {
        let mut control = self.connect().await?;
        let start = range.map_or(0, |range| range.start);
        let data = control.passive(&self.host).await?;
        let asker = control.asker.clone();
        if start > 0 {
            let answer = control.command("REST", &start.to_string()).await?;
            answer.expect(&[350], &asker)?;
        }
        let answer = control.command("RETR", &object.key).await?;
        answer.expect(&[125, 150], &asker)?;
        Ok(Body {
            source: Source::Stream(Box::pin(Download {
                data,
                _control: control,
            })),
            start,
            length: object.size.map(|size| size.saturating_sub(start)),
            // A file's size is all that is known of its state.
            validator: object.size.map(|size| size.to_string()),
            checksum: None,
        })
    }

    async fn put(&self, path: &str, file: &Path) -> Result<(), StoreError> {
        self.put_file(&self.below(path), &open_file(file)?).await
    }

    async fn abandon(&self) {
        self.remove_unfinished().await;
    }

    fn has_ranges(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        false
    }

    fn tries_again(&self) -> bool {
        false
    }
}

//! `ftp://`: files of an FTP server (RFC 959, with the passive mode of RFC 2428).

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::list::path_below;
use super::{Body, Found, Listing, Object, Source, Store, StoreError};
use crate::http::{Fault, READ_TIMEOUT};

const NAME: &str = "the FTP server";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Servers limit how many connections one client may have.
const MOST_CONNECTIONS: usize = 4;
/// The longest answer to a command.
const LONGEST_ANSWER: usize = 64 * 1024;

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
}

/// A connection for commands.
struct Control {
    stream: BufReader<TcpStream>,
    asker: String,
    _permit: OwnedSemaphorePermit,
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

/// An answer to a command.
struct Answer {
    code: u16,
    text: String,
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

    fn left(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
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

    async fn put(&self, _path: &str, _file: &Path) -> Result<(), StoreError> {
        Err(StoreError::NotWritable)
    }

    fn has_ranges(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        false
    }
}

impl Control {
    async fn command(&mut self, command: &str, argument: &str) -> Result<Answer, StoreError> {
        if argument.contains(['\r', '\n', '\0']) {
            return Err(StoreError::Unsafe {
                name: argument.escape_default().to_string(),
            });
        }
        let line = match argument {
            "" => format!("{command}\r\n"),
            argument => format!("{command} {argument}\r\n"),
        };
        let written = in_time(self.stream.get_mut().write_all(line.as_bytes())).await;
        written.map_err(StoreError::broken)?;
        self.answer().await
    }

    /// Reads an answer, which goes on until a line begins with its code and a space.
    async fn answer(&mut self) -> Result<Answer, StoreError> {
        let mut first: Option<(u16, String)> = None;
        let mut length = 0;
        loop {
            let mut line = Vec::new();
            let read = in_time(self.stream.read_until(b'\n', &mut line)).await;
            length += read.map_err(StoreError::broken)?;
            if line.is_empty() || length > LONGEST_ANSWER {
                return Err(StoreError::NoAnswer {
                    fault: Fault::Broken,
                    reason: "the server closed the connection".to_owned(),
                });
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let text = line.get(4..).unwrap_or_default().to_owned();
            let is_last = line.as_bytes().get(3).is_none_or(|byte| *byte == b' ');
            match (code, &first) {
                (Some(code), None) if is_last => return Ok(Answer { code, text }),
                (Some(code), None) => first = Some((code, text)),
                (Some(code), Some((of_first, _))) if code == *of_first && is_last => {
                    return Ok(Answer { code, text });
                }
                (None, None) => return Err(strange(format!("it begins with '{line}'"))),
                _ => {}
            }
        }
    }

    async fn is_directory(&mut self, path: &str) -> Result<bool, StoreError> {
        Ok(self.command("CWD", path).await?.code == 250)
    }

    async fn size(&mut self, path: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.command("SIZE", path).await?.size())
    }

    /// The names in the directory that the connection is in.
    async fn names(&mut self, host: &str) -> Result<Vec<String>, StoreError> {
        let mut data = self.passive(host).await?;
        let answer = self.command("NLST", "").await?;
        // Some servers answer so where there are no files.
        if answer.code == 550 || answer.code == 450 {
            return Ok(Vec::new());
        }
        let asker = self.asker.clone();
        answer.expect(&[125, 150], &asker)?;
        let mut names = Vec::new();
        in_time(data.read_to_end(&mut names))
            .await
            .map_err(StoreError::broken)?;
        drop(data);
        self.answer().await?.expect(&[226, 250], &asker)?;
        let names = String::from_utf8_lossy(&names);
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// A connection for data, which the client makes too. The server's host is the one that it is known
    /// by: behind a router it may not know its own.
    async fn passive(&mut self, host: &str) -> Result<TcpStream, StoreError> {
        let answer = self.command("EPSV", "").await?;
        let port = match answer.code {
            229 => answer.text.rsplit('|').nth(1).and_then(|port| port.parse().ok()),
            _ => {
                let asker = self.asker.clone();
                let answer = self.command("PASV", "").await?.expect(&[227], &asker)?;
                passive_port(&answer.text)
            }
        };
        let port = port.ok_or_else(|| strange("it names no port".to_owned()))?;
        connect(host, port).await
    }
}

impl Answer {
    fn size(&self) -> Option<u64> {
        match self.code {
            213 => self.text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The answer, where its code is one of these.
    fn expect(self, codes: &[u16], asker: &str) -> Result<Self, StoreError> {
        if codes.contains(&self.code) {
            return Ok(self);
        }
        Err(match self.code {
            // Too many connections, or the server ends.
            421 | 425 | 426 | 450 => StoreError::NoAnswer {
                fault: Fault::Broken,
                reason: format!("{NAME} answered {} {}", self.code, self.text),
            },
            550 => StoreError::Missing {
                said: format!("{NAME} answered {} {}", self.code, self.text),
            },
            code => StoreError::Refused {
                store: NAME,
                status: code,
                said: Some(self.text),
                credentials: asker.to_owned(),
            },
        })
    }
}

/// The port in `Entering Passive Mode (h1,h2,h3,h4,p1,p2)`.
fn passive_port(text: &str) -> Option<u16> {
    let inner = text.split_once('(')?.1.split_once(')')?.0;
    let numbers: Vec<u16> = inner
        .split(',')
        .filter_map(|number| number.trim().parse().ok())
        .collect();
    match numbers[..] {
        [_, _, _, _, high, low] if high < 256 && low < 256 => Some(high * 256 + low),
        _ => None,
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, StoreError> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await;
    match connected {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.to_string().contains("lookup") => Err(StoreError::NoAnswer {
            fault: Fault::UnknownHost,
            reason: error.to_string(),
        }),
        Ok(Err(error)) => Err(StoreError::broken(error)),
        Err(_) => Err(StoreError::NoAnswer {
            fault: Fault::Timeout(CONNECT_TIMEOUT),
            reason: "no connection could be made in time".to_owned(),
        }),
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(READ_TIMEOUT, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the server sent nothing for a minute",
        )),
    }
}

fn strange(reason: String) -> StoreError {
    StoreError::Strange { store: NAME, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        for (text, expected) in [
            ("Entering Passive Mode (127,0,0,1,195,80).", Some(50_000)),
            ("(1,2,3,4,5)", None),
            ("(1,2,3,4,500,1)", None),
            ("nonsense", None),
        ] {
            assert_eq!(passive_port(text), expected, "{text}");
        }
    }
}

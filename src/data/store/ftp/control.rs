//! A connection to an FTP server: commands and answers.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::super::StoreError;
use super::NAME;
use crate::http::{Fault, READ_TIMEOUT, in_words};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer to a command.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A connection for commands.
pub(super) struct Control {
    pub(super) stream: BufReader<TcpStream>,
    pub(super) asker: String,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// An answer to a command.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Control {
    pub(super) async fn command(&mut self, command: &str, argument: &str) -> Result<Answer, StoreError> {
        if argument.contains(['\r', '\n', '\0']) {
            return Err(StoreError::Unsafe {
                name: argument.escape_default().to_string(),
            });
        }
        let line = match argument {
            "" => format!("{command}\r\n"),
            argument => format!("{command} {argument}\r\n"),
        };
        let written = in_time(READ_TIMEOUT, self.stream.get_mut().write_all(line.as_bytes())).await;
        written.map_err(StoreError::broken)?;
        self.answer().await
    }

    pub(super) async fn answer(&mut self) -> Result<Answer, StoreError> {
        self.answer_within(READ_TIMEOUT).await
    }

    /// Reads an answer, which goes on until a line begins with its code and a space. No line may take
    /// longer than the limit.
    pub(super) async fn answer_within(&mut self, limit: Duration) -> Result<Answer, StoreError> {
        let mut first: Option<(u16, String)> = None;
        let mut length = 0;
        loop {
            let mut line = Vec::new();
            let read = in_time(limit, self.stream.read_until(b'\n', &mut line)).await;
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

    pub(super) async fn is_directory(&mut self, path: &str) -> Result<bool, StoreError> {
        Ok(self.command("CWD", path).await?.code == 250)
    }

    pub(super) async fn size(&mut self, path: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.command("SIZE", path).await?.size())
    }

    /// The names in the directory that the connection is in.
    pub(super) async fn names(&mut self, host: &str) -> Result<Vec<String>, StoreError> {
        let mut data = self.passive(host).await?;
        let answer = self.command("NLST", "").await?;
        // Some servers answer so where there are no files.
        if answer.code == 550 || answer.code == 450 {
            return Ok(Vec::new());
        }
        let asker = self.asker.clone();
        answer.expect(&[125, 150], &asker)?;
        let mut names = Vec::new();
        in_time(READ_TIMEOUT, data.read_to_end(&mut names))
            .await
            .map_err(StoreError::broken)?;
        drop(data);
        self.answer().await?.expect(&[226, 250], &asker)?;
        let names = String::from_utf8_lossy(&names);
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// A connection for data, which the client makes too. The server's host is the one that it is known
    /// by: behind a router it may not know its own.
    pub(super) async fn passive(&mut self, host: &str) -> Result<TcpStream, StoreError> {
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
    pub(super) fn size(&self) -> Option<u64> {
        match self.code {
            213 => self.text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The answer, where its code is one of these.
    pub(super) fn expect(self, codes: &[u16], asker: &str) -> Result<Self, StoreError> {
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

pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, StoreError> {
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

pub(super) async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the server sent nothing for {}", in_words(limit)),
        )),
    }
}

pub(super) fn strange(reason: String) -> StoreError {
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

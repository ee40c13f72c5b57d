//! The stores' checksums, for verifying downloads.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use openssl::hash::{Hasher, MessageDigest};

use crate::artifact::error::{RepositoryError, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Crc32,
    Crc32c,
    Crc64Nvme,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    value: Vec<u8>,
    /// False for an MD5 from an entity tag, since some stores use other tags.
    pub(super) is_certain: bool,
}

impl Algorithm {
    /// The name for messages, and the length in bytes.
    fn about(self) -> (&'static str, usize) {
        match self {
            Self::Md5 => ("MD5", 16),
            Self::Sha1 => ("SHA-1", 20),
            Self::Sha256 => ("SHA-256", 32),
            Self::Crc32 => ("CRC-32", 4),
            Self::Crc32c => ("CRC-32C", 4),
            Self::Crc64Nvme => ("CRC-64/NVME", 8),
        }
    }
}

impl Checksum {
    /// Decodes a checksum in an HTTP header; `None` if it is invalid.
    pub(super) fn from_base64(algorithm: Algorithm, text: &str) -> Option<Self> {
        let value = STANDARD.decode(text.trim()).ok()?;
        (value.len() == algorithm.about().1).then_some(Self {
            algorithm,
            value,
            is_certain: true,
        })
    }

    /// The MD5 that most stores use as the entity tag of objects uploaded in one request.
    pub(super) fn from_tag(tag: &str) -> Option<Self> {
        let value = hex::decode(tag.strip_prefix('"')?.strip_suffix('"')?).ok()?;
        (value.len() == 16).then_some(Self {
            algorithm: Algorithm::Md5,
            value,
            is_certain: false,
        })
    }

    pub(super) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut sum = Sum::new(algorithm);
        sum.add(bytes);
        sum.finish()
    }

    pub(super) fn to_base64(&self) -> String {
        STANDARD.encode(&self.value)
    }

    pub(super) fn check(&self, arrived: &Self) -> Result<()> {
        // An empty value means that the algorithm is unavailable here.
        if arrived.value.is_empty() || self.value == arrived.value {
            return Ok(());
        }
        Err(RepositoryError::damaged(format_args!(
            "its {} is {}, not {}",
            self.algorithm.about().0,
            arrived.to_base64(),
            self.to_base64()
        )))
    }
}

/// The base64 MD5 for the header of a request body. Computed without blocking other tasks.
pub(super) async fn md5_of(bytes: Bytes) -> Result<String> {
    let md5 = tokio::task::spawn_blocking(move || Checksum::of(Algorithm::Md5, &bytes).to_base64());
    md5.await
        .map_err(|error| RepositoryError::Other(error.to_string()))
}

pub(super) struct Sum {
    algorithm: Algorithm,
    state: State,
}

enum State {
    Hash(Hasher),
    Crc(Box<Digest>),
    /// This OpenSSL lacks the hash, so nothing can be verified.
    Unavailable,
}

impl Sum {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let hash = |digest| Hasher::new(digest).map_or(State::Unavailable, State::Hash);
        let crc = |algorithm| State::Crc(Box::new(Digest::new(algorithm)));
        let state = match algorithm {
            Algorithm::Md5 => hash(MessageDigest::md5()),
            Algorithm::Sha1 => hash(MessageDigest::sha1()),
            Algorithm::Sha256 => hash(MessageDigest::sha256()),
            Algorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
        };
        Self { algorithm, state }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Hash(hasher) => {
                if hasher.update(bytes).is_err() {
                    self.state = State::Unavailable;
                }
            }
            State::Crc(digest) => digest.update(bytes),
            State::Unavailable => {}
        }
    }

    pub(super) fn finish(self) -> Checksum {
        let value = match self.state {
            State::Hash(mut hasher) => hasher.finish().map(|value| value.to_vec()).unwrap_or_default(),
            State::Crc(digest) => {
                let bytes = digest.finalize().to_be_bytes();
                bytes[8 - self.algorithm.about().1..].to_vec()
            }
            State::Unavailable => Vec::new(),
        };
        Checksum {
            algorithm: self.algorithm,
            value,
            is_certain: true,
        }
    }
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of Python's hashlib, zlib and crcmod for these nine bytes.
    #[test]
    fn checksums_are_those_of_others() {
        for (algorithm, expected) in [
            (Algorithm::Md5, "JfnnlDI7RTiF9RgfG2JNCw=="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
        ] {
            let sum = Checksum::of(algorithm, b"123456789");
            assert_eq!(sum.to_base64(), expected, "{algorithm:?}");
            let known = Checksum::from_base64(algorithm, expected).unwrap();
            assert!(known.check(&sum).is_ok(), "{algorithm:?}");
        }
    }

    #[test]
    fn tags_are_checksums_where_they_look_like_one() {
        for (tag, expected) in [
            ("\"0cc175b9c0f1b6a831c399e269772661\"", true),
            ("\"0cc175b9c0f1b6a831c399e269772661-2\"", false),
            ("0cc175b9c0f1b6a831c399e269772661", false),
            ("W/\"0cc175b9c0f1b6a831c399e269772661\"", false),
            ("\"\"", false),
        ] {
            assert_eq!(Checksum::from_tag(tag).is_some(), expected, "{tag}");
        }
        let tag = Checksum::from_tag("\"0cc175b9c0f1b6a831c399e269772661\"").unwrap();
        assert!(tag.check(&Checksum::of(Algorithm::Md5, b"a")).is_ok());
        assert!(tag.check(&Checksum::of(Algorithm::Md5, b"b")).is_err());
    }
}

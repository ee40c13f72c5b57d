//! The client's side of Git's smart protocol, version 0, as far as a fetch into an empty repository
//! needs it. From Git's `gitprotocol-pack`.

use std::io::Write as _;

use git2::{Config, Indexer, Oid};

use super::connection::{Address, Connection};
use super::origin::Depth;
use super::packet::{self, Packet, PacketBuffer};
use super::problem::GitProblem;
use super::references::Advertisement;
use super::task::Task;
use crate::events::{Transfer, TransferUnit};

/// The bands of a side band's packets.
const PACK_BAND: u8 = 1;
const PROGRESS_BAND: u8 = 2;

/// A server that has told its references.
pub(super) struct UploadPack {
    connection: Connection,
    buffer: PacketBuffer,
    pub(super) advertisement: Advertisement,
}

impl UploadPack {
    /// Connects and reads what the server has.
    pub(super) fn open(address: &Address, config: &Config, task: &Task<'_>) -> Result<Self, GitProblem> {
        let mut this = Self {
            connection: Connection::open(address, config, task)?,
            buffer: PacketBuffer::default(),
            advertisement: Advertisement::default(),
        };
        let mut packet = this.read(task)?;
        if matches!(&packet, Packet::Data(text) if text.starts_with(b"# service=")) {
            // HTTP puts a list of its own before.
            while packet != Packet::Flush {
                packet = this.read(task)?;
            }
            packet = this.read(task)?;
        }
        while !this.advertisement.add(&packet)? {
            packet = this.read(task)?;
        }
        Ok(this)
    }

    /// Whether the server gives commits that no branch or tag names.
    pub(super) fn gives_any_commit(&self) -> bool {
        ["allow-reachable-sha1-in-want", "allow-any-sha1-in-want"]
            .iter()
            .any(|capability| self.advertisement.can(capability))
    }

    /// Fetches these objects and what they need into the directory of a repository. The connection
    /// is of no use afterwards.
    pub(super) fn fetch(
        mut self,
        repository: &git2::Repository,
        wants: &[Oid],
        depth: Depth,
        task: &Task<'_>,
    ) -> Result<(), GitProblem> {
        if !self.advertisement.can("side-band-64k") {
            return Err(GitProblem::protocol(
                "the server is too old (it has no side-band-64k)",
            ));
        }
        let is_shallow = depth == Depth::One && self.advertisement.can("shallow");
        let request = self.request(wants, is_shallow);
        self.connection.send(request, task)?;
        if is_shallow {
            self.read_shallow_commits(repository, task)?;
        }
        if let Packet::Data(line) = self.read(task)? {
            // The answer to the empty list of what is here already: always "NAK".
            refuse_error(&line)?;
        }
        self.read_pack(repository, task)
    }

    fn request(&self, wants: &[Oid], is_shallow: bool) -> Vec<u8> {
        let mut capabilities = String::from("side-band-64k ofs-delta");
        if is_shallow {
            capabilities.push_str(" shallow");
        }
        if self.advertisement.can("no-progress") {
            capabilities.push_str(" no-progress");
        }
        capabilities.push_str(concat!(" agent=mlrun/", env!("CARGO_PKG_VERSION")));
        let mut request = Vec::new();
        for (index, want) in wants.iter().enumerate() {
            let line = if index == 0 {
                format!("want {want} {capabilities}\n")
            } else {
                format!("want {want}\n")
            };
            packet::push(&mut request, &line);
        }
        if is_shallow {
            packet::push(&mut request, "deepen 1\n");
        }
        request.extend_from_slice(packet::FLUSH);
        packet::push(&mut request, "done\n");
        request
    }

    /// Reads which commits come without those before them, and writes them down.
    fn read_shallow_commits(
        &mut self,
        repository: &git2::Repository,
        task: &Task<'_>,
    ) -> Result<(), GitProblem> {
        let mut shallow = String::new();
        while let Packet::Data(line) = self.read(task)? {
            refuse_error(&line)?;
            if let Some(commit) = String::from_utf8_lossy(&line).trim_end().strip_prefix("shallow ") {
                shallow.push_str(commit);
                shallow.push('\n');
            }
        }
        if shallow.is_empty() {
            return Ok(());
        }
        let path = repository.path().join("shallow");
        std::fs::write(&path, shallow).map_err(|source| GitProblem::File {
            action: "write",
            path,
            source,
        })
    }

    fn read_pack(&mut self, repository: &git2::Repository, task: &Task<'_>) -> Result<(), GitProblem> {
        let directory = repository.path().join("objects/pack");
        let action = "take the repository's objects";
        // The hash of every object is computed here; whether all are there shows at the checkout.
        let mut indexer = Indexer::new(None, &directory, 0, false).map_err(GitProblem::library(action))?;
        indexer.progress(|progress| {
            let (received, total) = (progress.indexed_objects(), progress.total_objects());
            task.reporter.report(Transfer {
                what: "fetching",
                done: received as u64,
                total: Some(total as u64).filter(|total| *total > 0),
                unit: TransferUnit::Objects,
                bytes: Some(progress.received_bytes() as u64),
            });
            !task.reporter.is_cancelled()
        });
        while let Packet::Data(contents) = self.read(task)? {
            match contents.split_first() {
                Some((&PACK_BAND, pack)) => indexer.write_all(pack).map_err(|error| {
                    let problem = error.downcast::<git2::Error>().map(GitProblem::library(action));
                    task.check().err().unwrap_or_else(|| {
                        problem.unwrap_or_else(|source| GitProblem::File {
                            action: "write to",
                            path: directory.clone(),
                            source,
                        })
                    })
                })?,
                Some((&PROGRESS_BAND, _)) | None => {}
                Some((_, message)) => return Err(GitProblem::refusal(&String::from_utf8_lossy(message))),
            }
        }
        indexer.commit().map_err(|source| {
            task.check()
                .err()
                .unwrap_or(GitProblem::Library { action, source })
        })?;
        Ok(())
    }

    fn read(&mut self, task: &Task<'_>) -> Result<Packet, GitProblem> {
        loop {
            if let Some(packet) = self.buffer.next()? {
                return Ok(packet);
            }
            let piece = self.connection.read(task)?;
            if piece.is_empty() {
                return Err(GitProblem::Broken {
                    reason: "it ended too early".to_owned(),
                });
            }
            self.buffer.feed(&piece);
        }
    }
}

fn refuse_error(line: &[u8]) -> Result<(), GitProblem> {
    match line.strip_prefix(b"ERR ") {
        Some(message) => Err(GitProblem::refusal(&String::from_utf8_lossy(message))),
        None => Ok(()),
    }
}

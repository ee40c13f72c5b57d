//! Downloads objects to local files: several at a time, large ones in parts, each continued after an interruption.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Mutex;

use backon::BackoffBuilder as _;
use futures_util::{TryStreamExt as _, stream};
use tokio::sync::Semaphore;

use crate::artifact::checksum::{Checksum, Sum};
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::local::{Brought, create_below, persist, sum_of_file, temporary_beside, unpacked};
use crate::artifact::repository::{ArtifactRepository, Body, Listing, Object, StoredArtifact, locked};
use crate::events::{Progress, Transfer, TransferUnit};
use crate::http::{Fault, pauses};
use crate::retrying::retrying_after;

/// The most concurrent requests, for all parameters together.
const MOST_REQUESTS: usize = 16;

const PART: u64 = 16 << 20;

/// A failed attempt that received this much does not count as a retry.
const WORTHWHILE: u64 = 1 << 20;

pub(super) struct Transfers<'a> {
    pub(super) tally: Tally<'a>,
    permits: Semaphore,
}

impl<'a> Transfers<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self {
            tally: Tally::new(progress),
            permits: Semaphore::new(MOST_REQUESTS),
        }
    }

    /// Downloads a file or directory to this local path.
    pub(super) async fn bring(
        &self,
        store: &dyn ArtifactRepository,
        found: &StoredArtifact,
        target: &Path,
    ) -> Result<Brought> {
        let listing = match found {
            StoredArtifact::File(object) => {
                self.tally.expect(object.size);
                let bytes = self.bring_object(store, object, target).await?;
                return Ok(Brought { files: 1, bytes });
            }
            StoredArtifact::Directory(listing) => listing,
        };
        fs::create_dir_all(target).map_err(RepositoryError::unwritable)?;
        self.objects(store, listing, target)
            .map_ok(|object| async move {
                let relative = Path::new(&object.path);
                create_below(target, relative.parent().unwrap_or(relative))?;
                self.bring_object(store, &object, &target.join(relative)).await
            })
            .try_buffer_unordered(MOST_REQUESTS)
            .try_fold(Brought::default(), |brought, bytes| async move {
                Ok(Brought {
                    files: brought.files + 1,
                    bytes: brought.bytes + bytes,
                })
            })
            .await
    }

    /// The objects of a listing and its following pages, as soon as they are known.
    fn objects<'s>(
        &'s self,
        store: &'s dyn ArtifactRepository,
        first: &'s Listing,
        target: &'s Path,
    ) -> impl futures_util::Stream<Item = Result<Object>> + 's {
        // The total is unknown until the listing is complete.
        self.tally.expect(None);
        let pages = stream::try_unfold(Some(None), move |at: Option<Option<String>>| async move {
            let listing = match at {
                None => return Ok(None),
                Some(None) => first.clone(),
                Some(Some(next)) => store.list_artifacts(&next).await?,
            };
            for directory in &listing.empty_directories {
                create_below(target, Path::new(directory))?;
            }
            for object in &listing.objects {
                self.tally.expect(object.size);
            }
            if listing.next.is_none() {
                self.tally.settle(0);
            }
            let objects = stream::iter(listing.objects.into_iter().map(Ok));
            Ok::<_, RepositoryError>(Some((objects, listing.next.map(Some))))
        });
        pages.try_flatten()
    }

    /// Downloads an object to this file, which appears when it is complete.
    async fn bring_object(
        &self,
        store: &dyn ArtifactRepository,
        object: &Object,
        path: &Path,
    ) -> Result<u64> {
        let file = temporary_beside(path)?;
        let mut before = None;
        let content = loop {
            let content = self.content(store, object, file.as_file()).await?;
            let Some(expected) = &content.checksum else {
                break content;
            };
            let arrived = match &content.arrived {
                Some(arrived) => arrived.clone(),
                None => sum_of_file(expected.algorithm, &file).await?,
            };
            match expected.check(&arrived) {
                Ok(()) => break content,
                Err(_) if before.is_none() => {
                    before = Some(arrived);
                    self.tally.change(content.bytes, 0);
                    file.as_file().set_len(0).map_err(RepositoryError::unwritable)?;
                }
                // The same bytes arrived twice, so they are right and the tag is not a checksum.
                Err(_) if before == Some(arrived) && !expected.is_certain => {
                    tracing::debug!(key = object.key, "the entity tag is not a checksum");
                    break content;
                }
                Err(error) => return Err(error),
            }
        };
        let file = if content.is_packed {
            unpacked(&file, path).await?
        } else {
            file
        };
        persist(file, path).map(|()| content.bytes)
    }

    async fn content(
        &self,
        store: &dyn ArtifactRepository,
        object: &Object,
        file: &File,
    ) -> Result<Received> {
        let parts = match object.size.filter(|size| store.has_parts() && *size >= 2 * PART) {
            Some(size) => (0..size.div_ceil(PART))
                .map(|number| Some(number * PART..((number + 1) * PART).min(size)))
                .collect(),
            None => vec![None],
        };
        stream::iter(parts.into_iter().map(Ok))
            .map_ok(|range| async {
                // Fails only for a closed semaphore, which this one never is.
                let _permit = self.permits.acquire().await.ok();
                let piece = Piece {
                    store,
                    object: object.clone(),
                    file,
                    tally: &self.tally,
                    is_part: range.is_some(),
                    start: range.as_ref().map_or(0, |range| range.start),
                    length: range.map(|range| range.end - range.start),
                    content: Received {
                        checksum: object.checksum.clone(),
                        ..Received::default()
                    },
                    sum: None,
                };
                piece.fetch().await
            })
            .try_buffer_unordered(MOST_REQUESTS)
            .try_fold(Received::default(), |whole, part| async move {
                Ok(Received {
                    bytes: whole.bytes + part.bytes,
                    checksum: whole.checksum.or(part.checksum),
                    ..part
                })
            })
            .await
    }
}

#[derive(Default)]
struct Received {
    bytes: u64,
    /// The expected checksum of the whole object.
    checksum: Option<Checksum>,
    /// The actual checksum, if it was computed during the download.
    arrived: Option<Checksum>,
    is_packed: bool,
}

/// An object, or a part of one, that is being downloaded.
struct Piece<'a> {
    store: &'a dyn ArtifactRepository,
    /// With the validator of the first response.
    object: Object,
    file: &'a File,
    tally: &'a Tally<'a>,
    is_part: bool,
    start: u64,
    length: Option<u64>,
    content: Received,
    /// The checksum of the received bytes, if the piece is the whole object.
    sum: Option<Sum>,
}

impl Piece<'_> {
    async fn fetch(mut self) -> Result<Received> {
        let mut left = pauses().build();
        loop {
            let before = self.content.bytes;
            let (body, wanted) = self.open().await?;
            let Err(problem) = self.receive(body, wanted).await else {
                self.content.arrived = self.sum.map(Sum::finish);
                return Ok(self.content);
            };
            if self.content.bytes >= before + WORTHWHILE {
                left = pauses().build();
            }
            let pause = left.next().filter(|_| problem.is_transient());
            let Some(pause) = pause else {
                return Err(problem);
            };
            tracing::warn!(
                "the download of '{}' broke off ({problem}); {}",
                self.object.key,
                retrying_after(pause)
            );
            tokio::time::sleep(pause).await;
        }
    }

    /// Requests the missing part. Gives the response, and the requested offset in the object.
    async fn open(&mut self) -> Result<(Body, u64)> {
        let can_continue = self.store.has_ranges() && (self.object.validator.is_some() || self.is_part);
        if !can_continue {
            self.start_anew();
        }
        let wanted = self.start + self.content.bytes;
        let end = self.length.map_or(u64::MAX, |length| self.start + length);
        let range = (self.is_part || wanted > 0).then_some(wanted..end);
        Ok((self.store.open(&self.object, range).await?, wanted))
    }

    async fn receive(&mut self, body: Body, wanted: u64) -> Result<()> {
        if body.start != wanted {
            if self.is_part || body.start != 0 {
                return Err(RepositoryError::silent(
                    Fault::Protocol,
                    "the store sent another part than the requested one",
                ));
            }
            self.start_anew();
        }
        if let Some(rest) = body.length.filter(|_| !self.is_part) {
            let length = self.content.bytes + rest;
            if self.object.size.is_some_and(|size| size != length) {
                return Err(RepositoryError::changed());
            }
            if self.length.replace(length).or(self.object.size).is_none() {
                self.tally.settle(length);
            }
        }
        self.content.is_packed = body.is_packed;
        self.object.validator = self.object.validator.take().or(body.validator);
        self.content.checksum = self.content.checksum.take().or(body.checksum);
        if !self.is_part && self.content.bytes == 0 {
            let expected = self.content.checksum.as_ref();
            self.sum = expected.map(|expected| Sum::new(expected.algorithm));
        }
        let mut chunks = body.chunks;
        while let Some(chunk) = chunks.try_next().await? {
            let (before, after) = (self.content.bytes, self.content.bytes + chunk.len() as u64);
            if self.length.is_some_and(|length| after > length) {
                return Err(RepositoryError::damaged("it is longer than announced"));
            }
            self.file
                .write_all_at(&chunk, self.start + before)
                .map_err(RepositoryError::unwritable)?;
            if let Some(sum) = &mut self.sum {
                sum.add(&chunk);
            }
            self.content.bytes = after;
            self.tally.change(before, after);
        }
        match self.length.filter(|length| self.content.bytes < *length) {
            Some(length) => Err(RepositoryError::silent(
                Fault::Broken,
                format_args!(
                    "the connection was lost after {} of {length} bytes",
                    self.content.bytes
                ),
            )),
            None => Ok(()),
        }
    }

    fn start_anew(&mut self) {
        self.tally.change(self.content.bytes, 0);
        self.content.bytes = 0;
        self.sum = None;
    }
}

/// Reports the total progress of a run's downloads.
pub(super) struct Tally<'a> {
    pub(super) progress: &'a dyn Progress,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    done: u64,
    total: u64,
    /// The number of items of unknown size.
    unknown: usize,
}

impl<'a> Tally<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            sums: Mutex::default(),
        }
    }

    /// Adds an item of this size; [`Tally::settle`] sets an unknown size later.
    pub(super) fn expect(&self, size: Option<u64>) {
        self.update(|sums| match size {
            Some(size) => sums.total += size,
            None => sums.unknown += 1,
        });
    }

    /// Sets the size of an item of unknown size.
    pub(super) fn settle(&self, size: u64) {
        self.update(|sums| {
            sums.unknown = sums.unknown.saturating_sub(1);
            sums.total += size;
        });
    }

    /// Changes the received bytes of an item from `before` to `after`.
    pub(super) fn change(&self, before: u64, after: u64) {
        self.update(|sums| sums.done = (sums.done + after).saturating_sub(before));
    }

    fn update(&self, change: impl FnOnce(&mut Sums)) {
        let mut sums = locked(&self.sums);
        change(&mut sums);
        self.progress.transfer(Transfer {
            what: "downloading",
            done: sums.done,
            total: (sums.unknown == 0 && sums.total > 0).then_some(sums.total),
            unit: TransferUnit::Bytes,
            bytes: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(u64, Option<u64>)>>);

    impl Progress for Heard {
        fn info(&self, _line: &str) {}
        fn warning(&self, _line: &str) {}
        fn output(&self, _bytes: &[u8]) {}
        fn transfer(&self, transfer: Transfer<'_>) {
            self.0.lock().unwrap().push((transfer.done, transfer.total));
        }
    }

    #[test]
    fn the_total_is_known_when_that_of_all_is() {
        let heard = Heard::default();
        let tally = Tally::new(&heard);
        tally.expect(Some(10));
        tally.expect(None);
        tally.change(0, 5);
        tally.settle(20);
        tally.change(1, 0);
        let heard = heard.0.lock().unwrap().clone();
        let expected = [(0, Some(10)), (0, None), (5, None), (5, Some(30)), (4, Some(30))];
        assert_eq!(heard, expected);
    }
}

//! Objects of stores become local files: several at once, large ones in parts, each continued where
//! its connection broke.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use backon::BackoffBuilder as _;
use futures_util::{TryStreamExt as _, stream};
use tokio::sync::Semaphore;

use super::checksum::{Checksum, Sum};
use super::landing::{Directories, persist, sum_of_file, temporary_in, unpacked};
use super::store::{Body, Found, Listing, Object, Store, StoreError};
use super::tally::Tally;
use crate::http::pauses;

/// How many requests go on at the same time, over all parameters.
const MOST_REQUESTS: usize = 16;

/// An object is read in parts of this size.
const PART: u64 = 16 << 20;

/// A connection that brought this much was worth something, and is not counted.
const WORTHWHILE: u64 = 1 << 20;

/// What a download has brought.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Brought {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The downloads of one run.
pub(super) struct Transfers<'a> {
    tally: &'a Tally<'a>,
    permits: Semaphore,
}

impl<'a> Transfers<'a> {
    pub(super) fn new(tally: &'a Tally<'a>) -> Self {
        Self {
            tally,
            permits: Semaphore::new(MOST_REQUESTS),
        }
    }

    /// Brings all that was found to this local path: one file, or a directory.
    pub(super) async fn bring(
        &self,
        store: &dyn Store,
        found: &Found,
        target: &Path,
    ) -> Result<Brought, StoreError> {
        let listing = match found {
            Found::File(object) => {
                self.tally.expect(object.size);
                let bytes = self.bring_object(store, object, target).await?;
                return Ok(Brought { files: 1, bytes });
            }
            Found::Directory(listing) => listing,
        };
        fs::create_dir_all(target).map_err(StoreError::unwritable)?;
        let directories = Directories::new(target);
        let brought = Mutex::new(Brought::default());
        self.objects(store, listing, &directories)
            .try_for_each_concurrent(MOST_REQUESTS, |object| {
                let (directories, brought) = (&directories, &brought);
                async move {
                    let path = directories.place_of(&object)?;
                    let bytes = self.bring_object(store, &object, &path).await?;
                    let mut brought = brought.lock().unwrap_or_else(PoisonError::into_inner);
                    brought.files += 1;
                    brought.bytes += bytes;
                    Ok(())
                }
            })
            .await?;
        Ok(brought.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The objects of a listing and of all that follow it, each as soon as it is known.
    fn objects<'s>(
        &'s self,
        store: &'s dyn Store,
        first: &'s Listing,
        directories: &'s Directories,
    ) -> impl futures_util::Stream<Item = Result<Object, StoreError>> + 's {
        // The listing itself is of unknown size until it ends.
        self.tally.expect(None);
        let known = Listing {
            objects: first.objects.clone(),
            empty_directories: first.empty_directories.clone(),
            next: first.next.clone(),
        };
        let pages = stream::try_unfold((Some(known), None::<String>), move |(known, next)| async move {
            let listing = match (known, next) {
                (Some(listing), _) => listing,
                (None, Some(next)) => store.more(&next).await?,
                (None, None) => return Ok(None),
            };
            for directory in &listing.empty_directories {
                directories.create(Path::new(directory))?;
            }
            for object in &listing.objects {
                self.tally.expect(object.size);
            }
            if listing.next.is_none() {
                self.tally.settle(0);
            }
            let objects = stream::iter(listing.objects.into_iter().map(Ok));
            Ok::<_, StoreError>(Some((objects, (None, listing.next))))
        });
        pages.try_flatten()
    }

    /// Brings an object to this file, which appears when it is whole.
    async fn bring_object(&self, store: &dyn Store, object: &Object, path: &Path) -> Result<u64, StoreError> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let file = temporary_in(parent)?;
        let mut before = None;
        let content = loop {
            let content = self.content(store, object, file.as_file()).await?;
            let Some(expected) = &content.checksum else {
                break content;
            };
            let arrived = match &content.arrived {
                Some(arrived) => arrived.clone(),
                None => sum_of_file(expected.algorithm, file.as_file()).await?,
            };
            match expected.check(&arrived) {
                Ok(()) => break content,
                Err(_) if before.is_none() => {
                    before = Some(arrived);
                    self.tally.lost(content.bytes);
                    file.as_file().set_len(0).map_err(StoreError::unwritable)?;
                }
                // The same bytes twice are what the store holds: its tag is then no checksum.
                Err(_) if before == Some(arrived) && !expected.is_certain => {
                    tracing::debug!(key = object.key, "the entity tag is no checksum");
                    break content;
                }
                Err(error) => return Err(error),
            }
        };
        let file = match content.is_packed {
            true => unpacked(&file, parent).await?,
            false => file,
        };
        persist(file, path).map(|()| content.bytes)
    }

    /// Brings all bytes of an object.
    async fn content(&self, store: &dyn Store, object: &Object, file: &File) -> Result<Content, StoreError> {
        let Some(size) = object.size.filter(|size| store.has_parts() && *size >= 2 * PART) else {
            let _permit = self.permit().await;
            let mut piece = Piece::new(store, object, file, self.tally, None);
            piece.fetch().await?;
            return Ok(Content {
                arrived: piece.sum.map(Sum::finish),
                ..piece.content
            });
        };
        let whole = Mutex::new(Content::default());
        let parts = (0..size.div_ceil(PART)).map(|number| number * PART..((number + 1) * PART).min(size));
        stream::iter(parts.map(Ok))
            .try_for_each_concurrent(MOST_REQUESTS, |range| {
                let whole = &whole;
                async move {
                    let _permit = self.permit().await;
                    let mut piece = Piece::new(store, object, file, self.tally, Some(range));
                    piece.fetch().await?;
                    let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
                    whole.bytes += piece.content.bytes;
                    whole.is_packed = piece.content.is_packed;
                    if whole.checksum.is_none() {
                        whole.checksum = piece.content.checksum;
                    }
                    Ok::<(), StoreError>(())
                }
            })
            .await?;
        Ok(whole.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn permit(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // Nobody closes it.
        self.permits.acquire().await.ok()
    }
}

/// What has arrived of an object.
#[derive(Default)]
struct Content {
    bytes: u64,
    /// The checksum that all of the object should have.
    checksum: Option<Checksum>,
    /// The checksum that it has, if it was taken while the bytes arrived.
    arrived: Option<Checksum>,
    is_packed: bool,
}

/// A whole object or a part of one, on its way into the file.
struct Piece<'a> {
    store: &'a dyn Store,
    object: &'a Object,
    file: &'a File,
    tally: &'a Tally<'a>,
    /// Nothing for all of the object.
    range: Option<Range<u64>>,
    content: Content,
    /// How many bytes there will be.
    length: Option<u64>,
    /// Whether the tally knows that.
    is_expected: bool,
    validator: Option<String>,
    /// Of what has arrived, if the piece is all of the object.
    sum: Option<Sum>,
}

impl<'a> Piece<'a> {
    fn new(
        store: &'a dyn Store,
        object: &'a Object,
        file: &'a File,
        tally: &'a Tally<'a>,
        range: Option<Range<u64>>,
    ) -> Self {
        Self {
            store,
            object,
            file,
            tally,
            content: Content {
                checksum: object.checksum.clone(),
                ..Content::default()
            },
            length: range.as_ref().map(|range| range.end - range.start),
            is_expected: object.size.is_some(),
            validator: object.validator.clone(),
            sum: None,
            range,
        }
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        let mut left = pauses().build();
        loop {
            let before = self.content.bytes;
            let (body, wanted) = self.open().await?;
            let Err(problem) = self.receive(body, wanted).await else {
                return Ok(());
            };
            if self.content.bytes >= before + WORTHWHILE {
                left = pauses().build();
            }
            let pause = left.next().filter(|_| problem.is_transient());
            let Some(pause) = pause else {
                return Err(problem);
            };
            tracing::debug!(key = self.object.key, received = self.content.bytes, problem = %problem, "a download broke off");
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks for what is still missing. Gives the answer, and the offset in the object that was asked for.
    async fn open(&mut self) -> Result<(Body, u64), StoreError> {
        let first = self.range.as_ref().map_or(0, |range| range.start);
        let can_continue = self.store.has_ranges() && (self.validator.is_some() || self.range.is_some());
        if self.content.bytes > 0 && !can_continue {
            self.start_anew();
        }
        let wanted = first + self.content.bytes;
        let range = match &self.range {
            Some(range) => Some(wanted..range.end),
            None if self.content.bytes > 0 => Some(wanted..self.length.unwrap_or(u64::MAX)),
            None => None,
        };
        let validator = self.validator.as_deref();
        Ok((self.store.open(self.object, range, validator).await?, wanted))
    }

    /// Takes in what an answer brings.
    async fn receive(&mut self, body: Body, wanted: u64) -> Result<(), StoreError> {
        self.begin(&body, wanted)?;
        let first = self.range.as_ref().map_or(0, |range| range.start);
        let mut chunks = body.chunks;
        while let Some(chunk) = chunks.try_next().await? {
            if self
                .length
                .is_some_and(|length| self.content.bytes + chunk.len() as u64 > length)
            {
                return Err(StoreError::Damaged {
                    reason: "more arrived than there is".to_owned(),
                });
            }
            self.file
                .write_all_at(&chunk, first + self.content.bytes)
                .map_err(StoreError::unwritable)?;
            if let Some(sum) = &mut self.sum {
                sum.add(&chunk);
            }
            self.content.bytes += chunk.len() as u64;
            self.tally.arrived(chunk.len() as u64);
        }
        match self.length {
            Some(length) if self.content.bytes < length => Err(StoreError::NoAnswer {
                fault: crate::http::Fault::Broken,
                reason: format!(
                    "the connection ended after {} of {length} bytes",
                    self.content.bytes
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Takes note of what an answer says about itself.
    fn begin(&mut self, body: &Body, wanted: u64) -> Result<(), StoreError> {
        if body.start != wanted {
            if self.range.is_some() || body.start != 0 {
                return Err(StoreError::NoAnswer {
                    fault: crate::http::Fault::Protocol,
                    reason: "the store sent another part than was asked for".to_owned(),
                });
            }
            self.start_anew();
        }
        if self.range.is_none()
            && let Some(rest) = body.length
        {
            let length = self.content.bytes + rest;
            if self.object.size.is_some_and(|size| size != length) {
                return Err(StoreError::Changed);
            }
            self.length = Some(length);
            if !std::mem::replace(&mut self.is_expected, true) {
                self.tally.settle(length);
            }
        }
        self.content.is_packed = body.is_packed;
        if self.validator.is_none() {
            self.validator.clone_from(&body.validator);
        }
        if self.content.checksum.is_none() {
            self.content.checksum.clone_from(&body.checksum);
        }
        if self.range.is_none() && self.content.bytes == 0 {
            let expected = self.content.checksum.as_ref();
            self.sum = expected.map(|expected| Sum::new(expected.algorithm));
        }
        Ok(())
    }

    fn start_anew(&mut self) {
        self.tally.lost(self.content.bytes);
        self.content.bytes = 0;
        self.sum = None;
    }
}

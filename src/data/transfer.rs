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
use super::store::{Body, Found, Listing, Object, Source, Store, StoreError, pauses};
use super::tally::Tally;

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
        enum Page<'s> {
            Known(&'s Listing),
            Next(String),
        }
        // The listing itself is of unknown size until it ends.
        self.tally.expect(None);
        let pages = stream::try_unfold(Some(Page::Known(first)), move |page| async move {
            let (objects, empty, next) = match page {
                None => return Ok(None),
                Some(Page::Known(listing)) => (
                    listing.objects.clone(),
                    listing.empty_directories.clone(),
                    listing.next.clone(),
                ),
                Some(Page::Next(next)) => {
                    let listing = store.more(&next).await?;
                    (listing.objects, listing.empty_directories, listing.next)
                }
            };
            for directory in &empty {
                directories.create(Path::new(directory))?;
            }
            for object in &objects {
                self.tally.expect(object.size);
            }
            if next.is_none() {
                self.tally.settle(0);
            }
            let objects = stream::iter(objects.into_iter().map(Ok));
            Ok::<_, StoreError>(Some((objects, next.map(Page::Next))))
        });
        pages.try_flatten()
    }

    /// Brings an object to this file, which appears when it is whole.
    async fn bring_object(&self, store: &dyn Store, object: &Object, path: &Path) -> Result<u64, StoreError> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let file = temporary_in(parent)?;
        let mut before: Option<Checksum> = None;
        let (bytes, is_packed) = loop {
            let Content {
                bytes,
                expected,
                arrived,
                is_packed,
            } = self.content(store, object, file.as_file()).await?;
            let checked = match (&expected, &arrived) {
                (Some(expected), Some(arrived)) => expected.check(arrived),
                _ => Ok(()),
            };
            let Err(error) = checked else {
                break (bytes, is_packed);
            };
            if before.is_none() {
                before = arrived;
                self.tally.lost(bytes);
                file.as_file().set_len(0).map_err(StoreError::unwritable)?;
            } else if before == arrived && expected.is_some_and(|sum| !sum.is_certain) {
                // The same bytes twice are what the store holds: its tag is then no checksum.
                tracing::debug!(key = object.key, "the entity tag is no checksum");
                break (bytes, is_packed);
            } else {
                return Err(error);
            }
        };
        let file = match is_packed {
            true => unpacked(&file, parent).await?,
            false => file,
        };
        persist(file, path).map(|()| bytes)
    }

    /// Brings all bytes of an object.
    async fn content(&self, store: &dyn Store, object: &Object, file: &File) -> Result<Content, StoreError> {
        let Some(size) = object.size.filter(|size| store.has_parts() && *size >= 2 * PART) else {
            let _permit = self.permit().await;
            let mut piece = Piece::new(store, object, file, self.tally, None);
            piece.fetch().await?;
            return Ok(Content {
                bytes: piece.done,
                expected: piece.checksum,
                arrived: piece.sum.map(Sum::finish),
                is_packed: piece.is_packed,
            });
        };
        let about = Mutex::new((object.checksum.clone(), false));
        let parts = (0..size.div_ceil(PART)).map(|number| number * PART..((number + 1) * PART).min(size));
        stream::iter(parts.map(Ok))
            .try_for_each_concurrent(MOST_REQUESTS, |range| {
                let about = &about;
                async move {
                    let _permit = self.permit().await;
                    let mut piece = Piece::new(store, object, file, self.tally, Some(range));
                    piece.fetch().await?;
                    let mut about = about.lock().unwrap_or_else(PoisonError::into_inner);
                    about.1 = piece.is_packed;
                    if about.0.is_none() {
                        about.0 = piece.checksum;
                    }
                    Ok::<(), StoreError>(())
                }
            })
            .await?;
        let (expected, is_packed) = about.into_inner().unwrap_or_else(PoisonError::into_inner);
        let arrived = match &expected {
            Some(expected) => Some(sum_of_file(expected, file).await?),
            None => None,
        };
        Ok(Content {
            bytes: size,
            expected,
            arrived,
            is_packed,
        })
    }

    async fn permit(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // Nobody closes it.
        self.permits.acquire().await.ok()
    }
}

/// What has arrived of an object.
struct Content {
    bytes: u64,
    /// The checksum that the bytes should have.
    expected: Option<Checksum>,
    /// The one that they have.
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
    /// How many bytes of it have arrived.
    done: u64,
    /// How many there will be.
    length: Option<u64>,
    /// Whether the tally knows that.
    is_expected: bool,
    validator: Option<String>,
    checksum: Option<Checksum>,
    /// Of what has arrived, where the piece is all of the object.
    sum: Option<Sum>,
    is_packed: bool,
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
            done: 0,
            length: range.as_ref().map(|range| range.end - range.start),
            is_expected: object.size.is_some(),
            validator: object.validator.clone(),
            checksum: object.checksum.clone(),
            sum: None,
            is_packed: false,
            range,
        }
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        let mut left = pauses().build();
        loop {
            let before = self.done;
            let body = self.open().await;
            let has_tried = body.is_err() && self.store.tries_again();
            let attempt = match body {
                Ok((body, wanted)) => self.receive(body, wanted).await,
                Err(problem) => Err(problem),
            };
            let problem = match attempt {
                Ok(()) => return Ok(()),
                Err(problem) if has_tried => return Err(problem),
                Err(problem) => problem,
            };
            if self.done >= before + WORTHWHILE {
                left = pauses().build();
            }
            let pause = left.next().filter(|_| problem.is_transient());
            let Some(pause) = pause else {
                return Err(problem);
            };
            tracing::debug!(key = self.object.key, received = self.done, problem = %problem, "a download broke off");
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks for what is still missing. Gives the answer, and the offset in the object that was asked for.
    async fn open(&mut self) -> Result<(Body, u64), StoreError> {
        let first = self.range.as_ref().map_or(0, |range| range.start);
        let can_continue = self.store.has_ranges() && (self.validator.is_some() || self.range.is_some());
        if self.done > 0 && !can_continue {
            self.start_anew();
        }
        let wanted = first + self.done;
        let range = match &self.range {
            Some(range) => Some(wanted..range.end),
            None if self.done > 0 => Some(wanted..self.length.unwrap_or(u64::MAX)),
            None => None,
        };
        let validator = self.validator.as_deref();
        Ok((self.store.open(self.object, range, validator).await?, wanted))
    }

    /// Takes in what an answer brings.
    async fn receive(&mut self, body: Body, wanted: u64) -> Result<(), StoreError> {
        self.begin(&body, wanted)?;
        let first = self.range.as_ref().map_or(0, |range| range.start);
        let Body { mut source, .. } = body;
        while let Some(chunk) = source.chunk().await? {
            if self
                .length
                .is_some_and(|length| self.done + chunk.len() as u64 > length)
            {
                return Err(StoreError::Damaged {
                    reason: "more arrived than there is".to_owned(),
                });
            }
            self.file
                .write_all_at(&chunk, first + self.done)
                .map_err(StoreError::unwritable)?;
            if let Some(sum) = &mut self.sum {
                sum.add(&chunk);
            }
            self.done += chunk.len() as u64;
            self.tally.arrived(chunk.len() as u64);
        }
        match self.length {
            Some(length) if self.done < length => Err(StoreError::NoAnswer {
                fault: crate::http::Fault::Broken,
                reason: format!("the connection ended after {} of {length} bytes", self.done),
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
            let length = self.done + rest;
            if self.object.size.is_some_and(|size| size != length) {
                return Err(StoreError::Changed);
            }
            self.length = Some(length);
            if !std::mem::replace(&mut self.is_expected, true) {
                self.tally.settle(length);
            }
        }
        self.is_packed = matches!(body.source, Source::Packed(_));
        if self.validator.is_none() {
            self.validator.clone_from(&body.validator);
        }
        if self.checksum.is_none() {
            self.checksum.clone_from(&body.checksum);
        }
        if self.range.is_none() && self.done == 0 {
            self.sum = self
                .checksum
                .as_ref()
                .map(|checksum| Sum::new(checksum.algorithm));
        }
        Ok(())
    }

    fn start_anew(&mut self) {
        self.tally.lost(self.done);
        self.done = 0;
        self.sum = None;
    }
}

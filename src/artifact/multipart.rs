//! Files that are too large for one request, in parts.

use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::artifact::checksum::Sum;
use crate::artifact::repository_error::RepositoryError;
use crate::http::SentFile;

/// A file up to this size is put by one request, and this is how large parts are: as Amazon's Python
/// library has it.
pub(super) const PART: u64 = 8 << 20;

/// Parts of more than the usual size are multiples of this, which all stores take.
const STEP: u64 = 1 << 20;

/// How many parts of the usual size are under way at the same time. All of them are in memory.
const AT_ONCE: u64 = 4;

/// The size of a file's parts where there may be so many.
pub(super) fn part_size(length: u64, most_parts: u64) -> u64 {
    length.div_ceil(most_parts).next_multiple_of(STEP).max(PART)
}

/// How many parts of this size may be under way at the same time.
pub(super) fn at_once(size: u64) -> usize {
    (AT_ONCE * PART / size).max(1) as usize
}

/// Reads a file in parts, one after the other, and adds their bytes to `whole`.
pub(super) fn parts<'a>(
    file: &'a SentFile,
    size: u64,
    whole: Option<&'a mut Sum>,
) -> impl Stream<Item = Result<Bytes, RepositoryError>> + 'a {
    stream::try_unfold((0, whole), move |(start, mut whole)| async move {
        let end = file.length().min(start + size);
        if start == end {
            return Ok(None);
        }
        let bytes = file.read(start..end).await.map_err(RepositoryError::unreadable)?;
        if let Some(whole) = whole.as_mut() {
            whole.add(&bytes);
        }
        Ok(Some((bytes, (end, whole))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_suffice_and_cover_all() {
        const MIB: u64 = 1 << 20;
        for (length, expected) in [
            (1, 8 * MIB),
            (80_000 * MIB, 8 * MIB),
            (80_000 * MIB + 1, 9 * MIB),
            (5 << 40, 525 * MIB),
        ] {
            let size = part_size(length, 10_000);
            assert_eq!(size, expected, "{length}");
            assert!(length.div_ceil(size) <= 10_000);
            assert!(at_once(size) as u64 * size <= size.max(AT_ONCE * PART));
        }
    }
}

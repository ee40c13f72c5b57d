//! A place whose directories are listed one by one.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::super::list::path_below;
use super::super::{Listing, Object, StoreError};

/// More directories than this below one place are none that anybody made on purpose.
const MOST_DIRECTORIES: usize = 1_000_000;

/// Directories, relative to the place, that have not been listed yet.
pub(in crate::data::store) struct Walk {
    /// The store's name for a person.
    store: &'static str,
    left: Mutex<VecDeque<String>>,
}

impl Walk {
    pub(in crate::data::store) fn new(store: &'static str) -> Self {
        Self {
            store,
            left: Mutex::default(),
        }
    }

    /// What lies directly in a directory, given relative to the place, by names in it: a file, or nothing
    /// for a directory. `key` gives the whole name of a path below the place.
    pub(in crate::data::store) fn listing(
        &self,
        directory: &str,
        entries: impl IntoIterator<Item = (String, Option<Object>)>,
        key: impl Fn(&str) -> String,
    ) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, file) in entries {
            let relative = match directory {
                "" => name,
                directory => format!("{directory}/{name}"),
            };
            match (path_below("", &relative)?, file) {
                (None, _) => {}
                (Some(path), None) => left.push_back(path),
                (Some(path), Some(file)) => listing.objects.push(Object {
                    key: key(&path),
                    path,
                    ..file
                }),
            }
        }
        if left.len() > MOST_DIRECTORIES {
            return Err(StoreError::Strange {
                store: self.store,
                reason: "its directories have no end".to_owned(),
            });
        }
        if listing.objects.is_empty() && !directory.is_empty() {
            listing.empty_directories.push(directory.to_owned());
        }
        listing.next = left.pop_front();
        Ok(listing)
    }
}

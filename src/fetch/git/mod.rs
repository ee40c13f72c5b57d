//! Git repositories. The only place that knows libgit2.

mod repository;

pub(super) use repository::{Repository, find_repository, is_bare_repository, repository_at};

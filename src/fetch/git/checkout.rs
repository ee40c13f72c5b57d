//! Writing the files of a commit.

use git2::build::CheckoutBuilder;
use git2::{CheckoutNotificationType, Repository};

use super::filters;
use super::problem::GitProblem;
use super::task::Task;
use crate::events::TransferUnit;

/// Writes the files of the commit that HEAD names into the repository's empty working tree.
pub(super) fn write_files(repository: &Repository, task: &Task<'_>) -> Result<(), GitProblem> {
    let mut checkout = CheckoutBuilder::new();
    checkout.force();
    checkout.progress(|_, done, total| {
        task.reporter.transfer(
            "writing files",
            done as u64,
            Some(total as u64),
            TransferUnit::Files,
        );
    });
    // Only while it plans. While it writes, it stops at the first file whose directory has another name.
    checkout.notify_on(CheckoutNotificationType::UPDATED);
    checkout.notify(|_, _, _, _, _| !task.reporter.is_cancelled());
    // To look for the filters of every file takes libgit2 longer than to write it.
    checkout.disable_filters(!filters::may_apply(repository));
    // The hash of every object was computed when it came, and those of this machine are Git's own.
    git2::opts::strict_hash_verification(false);
    repository.checkout_head(Some(&mut checkout)).map_err(|source| {
        task.check().err().unwrap_or(GitProblem::Library {
            action: "write the files",
            source,
        })
    })
}

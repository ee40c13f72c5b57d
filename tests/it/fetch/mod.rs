//! Where a project comes from: directories, zip files, Git repositories.

mod dirty_tree;
mod git;
mod local;
mod zip_download;
mod zip_files;

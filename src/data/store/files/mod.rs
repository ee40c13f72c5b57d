//! Servers that keep files in directories, each reached by a protocol of its own.

mod address;
mod ftp;
mod sftp;
mod tree;
mod walk;
mod webhdfs;

pub(in crate::data) use self::address::{FileAddress, PASSWORD_GIVEN};
pub(in crate::data) use self::ftp::Ftp;
pub(in crate::data) use self::sftp::Sftp;
pub(in crate::data) use self::tree::FileTree;
pub(super) use self::walk::Walk;
pub(in crate::data) use self::webhdfs::WebHdfs;

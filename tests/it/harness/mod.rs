//! What the integration tests share: sealed directories, the projects in them, the program that
//! runs there, and readers of what it left in the tracking store.

mod anonymous;
pub(crate) mod certificates;
mod golden;
mod port;
mod project;
mod reference;
pub(crate) mod relay;
mod requirement;
mod sandbox;
pub(crate) mod scripted;
mod server;
mod store;

pub(crate) use anonymous::{is_generated_name, without_temporary_names};
pub(crate) use golden::assert_golden;
pub(crate) use port::free_port;
pub(crate) use project::{Finished, Project};
pub(crate) use reference::{Reference, Request};
pub(crate) use requirement::{Requirement, missing, require, require_docker, require_program};
pub(crate) use sandbox::{Sandbox, describe};
pub(crate) use server::{MlflowServer, supervised};
pub(crate) use store::{StoreContents, StoredRun};

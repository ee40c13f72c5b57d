//! Projects with a `docker_env`, run by a real Docker on images that the tests make.

mod dry_run;
pub(crate) mod engine;
mod errors;
mod example;
mod ignored_files;
mod interrupted;
mod links;
mod other_engines;
mod reference;
pub(crate) mod registry;
mod runs;

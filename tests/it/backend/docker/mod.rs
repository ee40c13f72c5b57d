//! Projects with a `docker_env`, run by a real Docker on images that the tests make.

mod build_context;
mod dry_run;
mod errors;
mod example;
mod interrupted;
mod other_engines;
mod reference;
pub(crate) mod registry;
mod runs;

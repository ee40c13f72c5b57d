//! Projects with a `docker_env`, run by a real Docker on images that the tests make.

mod engine;
mod errors;
mod example;
mod ignored_files;
mod interrupted;
mod other_engines;
mod reference;
mod registry;
mod runs;

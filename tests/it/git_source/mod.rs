//! Projects from Git: every form of URL against real servers.

mod errors;
mod fetcher;
mod forms;
mod interrupted;
mod parts;
mod program;
mod reference;
mod repositories;
mod servers;

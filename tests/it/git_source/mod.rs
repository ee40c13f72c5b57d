//! Projects from Git: every form of URL against real servers.

mod errors;
mod forms;
mod interrupted;
mod parts;
mod reference;
mod repositories;
mod servers;

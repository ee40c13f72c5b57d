//! Projects from Git: every form of URL against real servers.

mod forms;
mod repositories;
mod servers;

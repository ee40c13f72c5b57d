//! New projects: an MLproject file and an environment file for scripts that are there already.
//!
//! The source of the scripts is read, and never run: a Python is not needed. What its text does not tell becomes a
//! remark.

mod argparse;
mod arguments;
mod click;
mod command_line;
mod encoding;
mod environment;
mod error;
mod functions;
mod imports;
mod mlproject;
mod packages;
mod plan;
mod python;
mod request;
mod scripts;
mod value;

pub(crate) use error::ScaffoldError;
pub(crate) use plan::Scaffold;
pub(crate) use request::{EnvironmentChoice, ScaffoldRequest};

//! `mlrun man`: manual pages.

use std::path::Path;

use crate::cli::args;
use crate::cli::printer;
use crate::cli::report::{Failure, Outcome};

/// Writes the page of the program itself to standard output, or those of all commands into a directory.
pub(crate) fn write(directory: Option<&Path>) -> Result<Outcome, Failure> {
    match directory {
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(args::command()).render(&mut page);
            rendered.map_err(Failure::new)?;
            printer::write_stdout(&String::from_utf8_lossy(&page))?;
        }
        Some(directory) => {
            let written = std::fs::create_dir_all(directory)
                .and_then(|()| clap_mangen::generate_to(args::command(), directory));
            written.map_err(|error| {
                Failure::new(anyhow::Error::new(error).context(format!(
                    "cannot write the manual pages to {}",
                    directory.display()
                )))
            })?;
        }
    }
    Ok(Outcome::Succeeded)
}

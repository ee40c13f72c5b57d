//! Runs a project several times at once from a Rust program, and prints how each run ended.
//!
//! ```text
//! cargo run --example rust_driver
//! ```

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use mlrun::{EnvManager, RunRequest};

/// How long a run may take before it is cancelled.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    let mut runs = Vec::new();
    for points in [10, 1_000, 100_000] {
        let request = RunRequest::new(project.to_string_lossy())
            .parameter("points", points)
            .run_name(format!("{points} points"))
            .experiment_name("pi")
            .env_manager(EnvManager::Local);
        // When this returns, the run is in the tracking store and in progress.
        runs.push(mlrun::run(request).await?);
    }
    let mut output = std::io::stdout().lock();
    for run in runs {
        let ending = match tokio::time::timeout(PATIENCE, run.wait()).await {
            Ok(ending) => ending,
            Err(_) => {
                run.cancel();
                run.wait().await
            }
        };
        writeln!(
            output,
            "{}: {} ({})",
            run.info().run_name,
            ending.status(),
            run.run_id()
        )?;
        if let Err(error) = &ending.launched {
            writeln!(output, "  {error}")?;
        }
    }
    Ok(())
}

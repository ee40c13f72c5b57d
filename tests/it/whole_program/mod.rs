//! Tests that no single room explains: mlrun beside the real `mlflow`, the examples, a real batch system.

mod differential;
mod examples;
mod slurm;

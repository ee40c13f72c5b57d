//! What an MLproject says, and the commands that it becomes.

mod commands;
mod large;

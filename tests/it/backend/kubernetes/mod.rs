//! Projects that run as Jobs: against an API server of the tests' own, which the reference drives too.

mod access;
mod cancelled;
pub(crate) mod cluster;
mod creation;
mod denials;
mod disruptions;
mod example;
mod faults;
mod interrupted;
mod jobs;
mod kept_output;
mod kubeconfig;
mod made;
mod reasons;

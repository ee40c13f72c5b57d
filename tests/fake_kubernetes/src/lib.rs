//! A Kubernetes API server for tests.
//!
//! It keeps Jobs, pods and events with their resource versions, answers lists and watches (with bookmarks
//! and `410 Gone`), streams logs, and takes only what agrees with the published schemas. What becomes of a
//! Job is the test's to say, through [`Server`]: there is no scheduler and no node. Faults come on demand.
//!
//! Source of the behaviour: "Kubernetes API Concepts" of the Kubernetes documentation, and the OpenAPI
//! schemas as the crate `k8s-openapi` has them.

mod answer;
mod controller;
mod fault;
mod logs;
mod request;
mod routes;
mod scenario;
mod schema;
mod selector;
mod serve;
mod server;
mod store;
mod watching;

pub use fault::{Action, Fault, Target};
pub use server::{Options, RecordedRequest, Server, Tls};

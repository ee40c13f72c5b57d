//! Faults that a test asks for.

use std::time::Duration;

/// Which requests a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The creation of a Job, not its check.
    Create,
    /// The check of a Job (`dryRun=All`).
    Check,
    /// The deletion of a Job.
    Delete,
    /// A list of any resources.
    List,
    /// A watch of any resources.
    Watch,
    /// The logs of a pod.
    Log,
    /// Everything.
    Any,
}

/// What happens to a request that is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// This status code is the answer, as Kubernetes words it.
    Status(u16),
    /// This status code is the answer, with a reason and a message that the test gives.
    Refuse(u16, &'static str, &'static str),
    /// This status code is the answer of something before Kubernetes: HTML.
    Proxy(u16),
    /// As [`Action::Proxy`], but the request itself is carried out.
    ProxyAfter(u16),
    /// The connection is cut before there is an answer. The request itself is carried out.
    Reset,
    /// The connection is cut after so many bytes of the answer's body.
    CutAfter(usize),
    /// The answer ends after so many bytes of its body, as if it were whole.
    EndAfter(usize),
    /// The answer comes that much later.
    Slow(Duration),
}

/// A fault, and how often it occurs.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// What is hit.
    pub target: Target,
    /// What happens.
    pub action: Action,
    /// How often.
    pub times: usize,
}

//! What goes wrong on purpose.

use crate::reply::Reply;
use crate::request::Request;

/// Has requests go wrong: those of this method and path, from the first after `skip` on, `times` times.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The method and the end of the path, such as `POST /dbfs/add-block`.
    pub call: String,
    /// How many such requests go well first.
    pub skip: u32,
    /// How many go wrong then.
    pub times: u32,
    /// What goes wrong.
    pub action: Action,
}

impl Fault {
    /// The next `times` requests of this kind get this answer.
    pub fn answer(call: &str, times: u32, status: u16, code: &str, message: &str) -> Self {
        let reply = Reply::error(status, code, message);
        let body = String::from_utf8(reply.body).unwrap();
        Self::new(
            call,
            times,
            Action::Answer(Answer {
                status,
                body,
                retry_after: None,
            }),
        )
    }

    /// The next `times` requests of this kind go wrong so.
    pub fn new(call: &str, times: u32, action: Action) -> Self {
        Self {
            call: call.to_owned(),
            skip: 0,
            times,
            action,
        }
    }

    /// Lets so many requests go well first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Asks for a pause of so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        if let Action::Answer(answer) = &mut self.action {
            answer.retry_after = Some(seconds);
        }
        self
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Action {
    /// This is the answer.
    Answer(Answer),
    /// The connection breaks before anything is done.
    Break,
    /// The connection breaks when all is done.
    BreakAfter,
    /// No answer comes.
    Hang,
}

/// An answer instead of the right one.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The pause in seconds that it asks for.
    pub retry_after: Option<u32>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let reply = Self {
            status: answer.status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: answer.body.into_bytes(),
        };
        match answer.retry_after {
            Some(seconds) => reply.header("retry-after", seconds),
            None => reply,
        }
    }
}

/// What shall go wrong with this request.
pub(crate) fn action(faults: &mut [Fault], request: &Request) -> Option<Action> {
    for fault in faults {
        let (method, path) = fault.call.split_once(' ').unwrap_or(("", &fault.call));
        let is_meant = (method.is_empty() || method == request.method) && request.path.contains(path);
        if !is_meant || fault.times == 0 {
            continue;
        }
        if fault.skip > 0 {
            fault.skip -= 1;
            continue;
        }
        fault.times -= 1;
        return Some(fault.action.clone());
    }
    None
}

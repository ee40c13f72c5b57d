//! Interprets database errors in responses of MLflow's servers. Both an exhausted connection pool and a refused value
//! are `400 BAD_REQUEST`; only the text differs.
//!
//! SQLAlchemy writes `(driver.Class) text`, then `[SQL: …]` and `[parameters: …]`, which contain the user's values. The
//! texts here are those of SQLite, PostgreSQL, MySQL, MariaDB, SQL Server and their drivers.

/// The codes with which MLflow passes on unknown errors. All other codes are MLflow's own errors, which quote values.
const PASSED_ON: &[&str] = &[
    "BAD_REQUEST",
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "RESOURCE_EXHAUSTED",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "CANCELLED",
];

/// Driver errors about the statement or its values, which the text may quote.
const OF_VALUES: &[&str] = &[
    "IntegrityError",
    "DataError",
    "ProgrammingError",
    "NotSupportedError",
    "Violation",
    "InvalidTextRepresentation",
    "OutOfRange",
    "Truncation",
    "UndefinedTable",
    "InsufficientPrivilege",
];

/// Parts of a driver's text if the database is busy or unavailable, in lower case.
const IN_DRIVER_TEXT: &[&str] = &[
    "is locked",
    "deadlock",
    "timed out",
    "timeout",
    "too many connections",
    "too many clients",
    "too many open files",
    "max_user_connections",
    "max_connections_per_hour",
    "max_questions",
    "max_client_conn",
    "connection slots are reserved",
    "no more connections allowed",
    "query_wait",
    "lost connection",
    "gone away",
    "connection refused",
    "connection reset",
    "connection already closed",
    "connection is closed",
    "connection was killed",
    "connection has been closed",
    "connection not available",
    "connection pool exhausted",
    "communication link failure",
    "closed the connection",
    "can't connect to",
    "could not connect to",
    "could not obtain lock",
    "could not serialize access",
    "try restarting transaction",
    "terminating connection",
    "is starting up",
    "is shutting down",
    "server shutdown in progress",
    "in recovery mode",
    "broken pipe",
];

/// Beginnings of other texts, or of their parts after a colon, in lower case.
const AT_BEGINNING: &[&str] = &[
    "database is locked",
    "database table is locked",
    "the database is locked",
    "database schema is locked",
    "deadlock",
    "timed out",
    "connection timed out",
    "connection pool exhausted",
    "read timed out",
    "request timed out",
    "the request timed out",
    "lock wait timeout",
    "too many connections",
    "too many clients",
    "sorry, too many clients",
    "lost connection",
    "upstream request timeout",
    "server is busy",
];

/// MySQL's error numbers for a busy or unavailable server, which precede a quoted text.
const MYSQL_NUMBERS: &[&str] = &[
    "(0,", "(1040,", "(1053,", "(1158,", "(1159,", "(1160,", "(1161,", "(1203,", "(1205,", "(1213,",
    "(1226,", "(2003,", "(2006,", "(2013,",
];

/// Whether a response only means that the server or its database is overloaded or unavailable, so that the same
/// request may succeed later.
pub(super) fn tells_overload(status: u16, code: Option<&str>, text: &str) -> bool {
    let is_verdict = matches!(status, 0..=399 | 401 | 403 | 404);
    !is_verdict && code.is_none_or(|code| PASSED_ON.contains(&code)) && is_overload(text)
}

fn is_overload(text: &str) -> bool {
    let text = original(text);
    let lower = text.to_lowercase();
    if let Some((class, said)) = driver_text(text) {
        if OF_VALUES.iter().any(|kind| class.ends_with(kind)) {
            return false;
        }
        return class.ends_with("DeadlockDetected")
            || class.ends_with("LockNotAvailable")
            || MYSQL_NUMBERS.iter().any(|number| said.starts_with(number))
            || IN_DRIVER_TEXT.iter().any(|part| lower.contains(part));
    }
    without_quoted(&lower)
        .split([':', '\n'])
        .map(str::trim)
        .any(|part| {
            // `QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00`
            let first = part.split(' ').next().unwrap_or_default();
            (first.ends_with("pool") && part.contains(" limit of size "))
                || AT_BEGINNING.iter().any(|beginning| part.starts_with(beginning))
        })
}

/// Whether a refusal is about a duplicate row. This happens to a repeated request if the first one succeeded.
pub(super) fn tells_duplicate(code: &str, message: &str) -> bool {
    if !PASSED_ON.contains(&code) {
        return false;
    }
    let text = original(message);
    let Some((class, said)) = driver_text(text) else {
        return text.starts_with("UNIQUE constraint failed");
    };
    class.ends_with("UniqueViolation")
        || (class.ends_with("IntegrityError")
            && [
                "UNIQUE constraint failed",
                "duplicate key",
                "(1062,",
                "(1586,",
                "2627",
                "2601",
            ]
            .iter()
            .any(|part| said.contains(part)))
}

/// The text before the statement and its values. A session that is used after a failed transaction puts its own text
/// before the original one.
fn original(text: &str) -> &str {
    let marks = ["[SQL: ", "[parameters: "];
    let end = marks.iter().filter_map(|mark| text.find(mark)).min();
    let text = &text[..end.unwrap_or(text.len())];
    let after = text.split_once("Original exception was: ");
    after.map_or(text, |(_, original)| original).trim()
}

/// The class of a driver's error, and the database's text.
fn driver_text(text: &str) -> Option<(&str, &str)> {
    // The session may put a note about its automatic flush before the text.
    let text = match text.strip_prefix("(raised as a result of Query-invoked autoflush") {
        Some(rest) => rest.split_once(")\n").map_or(text, |(_, rest)| rest.trim_start()),
        None => text,
    };
    let (class, said) = text.strip_prefix('(')?.split_once(") ")?;
    let is_class = class.contains('.') && !class.contains(char::is_whitespace);
    is_class.then_some((class, said))
}

/// The text without quoted parts, which are the user's values.
fn without_quoted(text: &str) -> String {
    let mut kept = String::new();
    let mut quote = None;
    for character in text.chars() {
        match quote {
            None if matches!(character, '\'' | '"' | '`') => quote = Some(character),
            None => kept.push(character),
            Some(open) if open == character => quote = None,
            Some(_) => {}
        }
    }
    kept
}

//! Recognizes mistakes in tracking URIs, which would otherwise count as directories: a server's address without
//! `http://`, a mistyped URL, a database file, or a value with quotes or white space around it.

use std::io::Read as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::nearest::nearest;
use crate::python_paths::{split_scheme, unquote};
use crate::redact;

/// The schemes of tracking stores.
const SCHEMES: [&str; 8] = [
    "http",
    "https",
    "file",
    "sqlite",
    "postgresql",
    "mysql",
    "mssql",
    "databricks",
];
/// Other names of the databases.
const OTHER_NAMES: [(&str, &str); 8] = [
    ("postgres", "postgresql"),
    ("pgsql", "postgresql"),
    ("psql", "postgresql"),
    ("pg", "postgresql"),
    ("mariadb", "mysql"),
    ("mysql2", "mysql"),
    ("sqlite3", "sqlite"),
    ("sqlserver", "mssql"),
];
/// Drivers of SQLAlchemy: asynchronous ones, which MLflow does not support, and those that it does.
const ASYNC_DRIVERS: [&str; 5] = ["asyncpg", "psycopg_async", "aiomysql", "asyncmy", "aiosqlite"];
const POSTGRESQL_DRIVERS: [&str; 4] = ["psycopg2", "psycopg", "psycopg2cffi", "pg8000"];
const MYSQL_DRIVERS: [&str; 6] = [
    "pymysql",
    "mysqldb",
    "mysqlconnector",
    "mariadbconnector",
    "cymysql",
    "pyodbc",
];
const SQLITE_DRIVERS: [&str; 2] = ["pysqlite", "pysqlcipher"];
/// The endings of SQLite databases.
const DATABASE_ENDINGS: [&str; 5] = ["db", "db3", "sqlite", "sqlite3", "sqlitedb"];
/// The first bytes of a SQLite database.
const SQLITE_HEADER: &[u8] = b"SQLite format 3\0";
/// Endings of host names that directories hardly ever have.
const DOMAINS: [&str; 9] = ["com", "org", "net", "edu", "gov", "io", "ai", "co", "cloud"];
/// More endings of host names with three parts, in addition to countries' two letters.
const MORE_DOMAINS: [&str; 12] = [
    "app", "corp", "dev", "home", "info", "internal", "intranet", "lan", "local", "svc", "tech", "test",
];
/// Names of servers; after one of these, two parts are enough for a host name.
const SERVER_NAMES: [&str; 3] = ["mlflow", "tracking", "www"];
/// The smallest number that counts as a port, and not as the minutes of a time.
const SMALLEST_PORT: u16 = 80;
/// The default port of MLflow's server.
const DEFAULT_PORT: u16 = 5000;

/// A mistake in a tracking URI, with a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The mistake, after "the tracking URI '…' ".
    pub(super) what: String,
    /// The correction.
    pub(super) hint: String,
}

impl Mistake {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
}

/// The URI for messages, without credentials, queries and control characters.
pub(super) fn shown(uri: &str) -> String {
    let uri = redact::without_credentials(uri);
    let uri = match uri.split_once('?') {
        Some((before, _)) => format!("{before}?…"),
        None => uri,
    };
    let uri = match uri.rsplit_once('@') {
        Some((_, host)) if !uri.contains("://") => format!("…@{host}"),
        _ => uri,
    };
    let mut shown = String::new();
    for character in uri.chars() {
        if character.is_control() {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// "did you mean …?", or `otherwise` if that would show credentials.
fn did_you_mean(uri: &str, otherwise: &str) -> String {
    if uri.contains(['@', '?']) {
        otherwise.to_owned()
    } else {
        format!("did you mean {uri}?")
    }
}

/// Quotes and white space around the value.
pub(super) fn wrapping(value: &str) -> Option<Mistake> {
    let is_blank = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '\u{200b}' | '\u{feff}')
    };
    let is_quote = |character: char| matches!(character, '"' | '\'' | '`' | '“' | '”' | '‘' | '’');
    let inner = value.trim_matches(|character| is_blank(character) || is_quote(character));
    if inner.len() == value.len() {
        return None;
    }
    if inner.is_empty() {
        return Some(Mistake::new(
            "is blank",
            "unset MLFLOW_TRACKING_URI to use a store in this directory",
        ));
    }
    let what = if value.trim_matches(is_blank).len() == inner.len() {
        "white space"
    } else {
        "quotes"
    };
    Some(Mistake::new(
        format!("has {what} around it"),
        did_you_mean(inner, &format!("remove the {what} from the value")),
    ))
}

/// A web address that is not written as `http://HOST`.
pub(super) fn web(scheme: &str, rest: &str) -> Option<Mistake> {
    let location = rest.trim_start_matches(['/', '\\', ':']);
    if let Some((inner, _)) = split_scheme(location)
        && ["http", "https"]
            .iter()
            .any(|web| inner.eq_ignore_ascii_case(web))
        && location.contains("//")
    {
        return Some(Mistake::new(
            "is not a valid URL: it has two schemes",
            did_you_mean(location, "remove the first http://"),
        ));
    }
    if location.is_empty() || location.starts_with(['?', '#']) {
        let hint = format!("write {scheme}://HOST:PORT, such as {scheme}://localhost:{DEFAULT_PORT}");
        return Some(Mistake::new("has no host", hint));
    }
    let is_right = rest.strip_prefix("//").is_some_and(|after| after == location);
    (!is_right).then(|| {
        Mistake::new(
            "is not a valid URL",
            did_you_mean(
                &format!("{scheme}://{location}"),
                &format!("write {scheme}:// before the host"),
            ),
        )
    })
}

/// A URI with an unknown scheme.
pub(super) fn unknown_scheme(value: &str, scheme: &str, rest: &str) -> Mistake {
    let what = format!("has the unknown scheme '{scheme}'");
    let otherwise = "set MLFLOW_TRACKING_URI to an http(s):// server, a sqlite:/// file or a local directory";
    Mistake::new(
        what,
        meant(value, scheme, rest).unwrap_or_else(|| otherwise.to_owned()),
    )
}

fn meant(value: &str, scheme: &str, rest: &str) -> Option<String> {
    // `localhost:5000`: a host and a port without the scheme.
    if is_server(value) {
        return Some(of_server(value));
    }
    let (kind, driver) = match scheme.split_once('+') {
        Some((kind, driver)) => (kind, format!("+{driver}")),
        None => (scheme, String::new()),
    };
    let other_name = OTHER_NAMES.iter().find(|(name, _)| *name == kind);
    let right = other_name
        .map(|(_, right)| *right)
        .or_else(|| nearest(kind, SCHEMES))?;
    let rest = rest.trim_start_matches(['/', '\\']);
    let slashes = if right == "sqlite" || right == "file" {
        "///"
    } else {
        "//"
    };
    Some(did_you_mean(
        &format!("{right}{driver}:{slashes}{rest}"),
        &format!("write {right}{driver}:{slashes} instead of {scheme}:"),
    ))
}

/// A driver that MLflow does not support.
pub(super) fn driver(scheme: &str, rest: &str) -> Option<Mistake> {
    let (kind, driver) = scheme.split_once('+')?;
    let (known, usual): (&[&str], &str) = match kind {
        "postgresql" => (&POSTGRESQL_DRIVERS, "postgresql+psycopg2"),
        "mysql" => (&MYSQL_DRIVERS, "mysql+pymysql"),
        "sqlite" => (&SQLITE_DRIVERS, "sqlite"),
        _ => return None,
    };
    if known.contains(&driver) {
        return None;
    }
    let near = nearest(driver, known.iter().copied()).filter(|_| !ASYNC_DRIVERS.contains(&driver));
    let right = near.map_or_else(|| usual.to_owned(), |near| format!("{kind}+{near}"));
    let what = if ASYNC_DRIVERS.contains(&driver) {
        format!("has the asynchronous driver '{driver}', which MLflow does not support")
    } else {
        format!("has the unknown driver '{driver}'")
    };
    let otherwise = format!("write {right}:// instead of {scheme}://");
    Some(Mistake::new(
        what,
        did_you_mean(&format!("{right}:{rest}"), &otherwise),
    ))
}

/// A path, relative to `cwd`, that looks like something else; `None` for an existing directory.
pub(super) fn path(value: &str, cwd: &Path) -> Option<Mistake> {
    if cwd.join(unquote(value)).is_dir() {
        return None;
    }
    if let Some(mistake) = database_file(value, cwd) {
        return Some(mistake);
    }
    let lower = value.to_ascii_lowercase();
    if !value.contains(['/', '.'])
        && let Some(near) = nearest(value, ["databricks", "databricks-uc"])
    {
        return Some(Mistake::new(
            "is not a known tracking store",
            format!("did you mean {near}? {}", directory_hint(value)),
        ));
    }
    if let Some((before, after)) = lower.split_once("//") {
        let scheme = before.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
        // `C://` is a drive.
        let is_url = before.ends_with(':') && scheme.len() != 1;
        if is_url || SCHEMES.contains(&scheme) {
            let after = &value[value.len() - after.len()..];
            let scheme = scheme.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
            let right = match scheme {
                "" => "http",
                known if SCHEMES.contains(&known) => known,
                other => nearest(other, SCHEMES).unwrap_or(other),
            };
            let hint = did_you_mean(
                &format!("{right}://{after}"),
                &format!("write {right}:// in front"),
            );
            return Some(Mistake::new("is not a valid URL", hint));
        }
    }
    if is_server(value) {
        return Some(Mistake::new(
            "looks like the address of a server",
            of_server(value),
        ));
    }
    None
}

/// A path of a database file, by its ending or its content.
pub(super) fn database_file(path: &str, cwd: &Path) -> Option<Mistake> {
    let file = cwd.join(unquote(path));
    if file.is_dir() {
        return None;
    }
    let ending = file
        .extension()
        .and_then(|ending| ending.to_str())
        .map(str::to_ascii_lowercase);
    let is_named_so = ending.is_some_and(|ending| DATABASE_ENDINGS.contains(&ending.as_str()));
    (is_named_so || is_sqlite(&file)).then(|| {
        Mistake::new(
            "looks like a database file",
            format!(
                "did you mean sqlite:///{}?",
                path.strip_prefix("./").unwrap_or(path)
            ),
        )
    })
}

fn is_sqlite(file: &Path) -> bool {
    // Opening a pipe would block.
    if !file.is_file() {
        return false;
    }
    let mut header = [0; SQLITE_HEADER.len()];
    std::fs::File::open(file)
        .is_ok_and(|mut file| file.read_exact(&mut header).is_ok() && header == SQLITE_HEADER)
}

/// Whether this can only be a host, optionally with a port and a path.
fn is_server(value: &str) -> bool {
    let location = value.strip_prefix("//").unwrap_or(value);
    if location.starts_with(['/', '.']) {
        return false;
    }
    let authority = location.split(['/', '?', '#']).next().unwrap_or(location);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host, Some(port))
        }
        _ => (authority, None),
    };
    if let Some(inside) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inside.parse::<Ipv6Addr>().is_ok();
    }
    let is_host = !host.is_empty()
        && host.split('.').all(|part| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !part.is_empty() && part.bytes().all(is_letter)
        });
    if !is_host {
        return false;
    }
    match port {
        // A single letter is a drive.
        Some(port) => host.len() > 1 && port.parse::<u16>().is_ok_and(|port| port >= SMALLEST_PORT),
        None => host == "localhost" || host.parse::<Ipv4Addr>().is_ok() || is_domain(host),
    }
}

/// Whether the name ends like a host name.
fn is_domain(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let parts: Vec<&str> = host.split('.').collect();
    let [first, .., last] = parts.as_slice() else {
        return false;
    };
    let is_country = || last.len() == 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    let tells_enough = parts.len() > 2 || SERVER_NAMES.contains(first);
    DOMAINS.contains(last) || (tells_enough && (MORE_DOMAINS.contains(last) || is_country()))
}

fn of_server(value: &str) -> String {
    let location = value.trim_start_matches('/');
    let port = match location {
        "localhost" => format!(":{DEFAULT_PORT}"),
        _ => String::new(),
    };
    let hint = did_you_mean(
        &format!("http://{location}{port}"),
        "write http:// or https:// in front of it",
    );
    // A value with a colon would be a URI, not a directory.
    if split_scheme(value).is_some() {
        hint
    } else {
        format!("{hint} {}", directory_hint(value))
    }
}

fn directory_hint(value: &str) -> String {
    if value.contains(['@', '?']) || value.starts_with('/') {
        String::new()
    } else {
        format!("(or ./{value} for a directory)")
    }
}

//! The address of a database server, as SQLAlchemy reads it:
//! `dialect+driver://user:password@host:port/database?option=value`.

use super::driver::SqlError;
use crate::nearest::nearest;
use crate::python_paths::unquote;
use crate::redact::Secret;

/// The most options in the hint about an unknown one.
const OPTIONS_SHOWN: usize = 12;

/// The options of a kind of database in the query of its address.
#[derive(Debug)]
pub(super) struct OptionNames {
    /// Options for parts of the address, by the part.
    pub(super) user: &'static [&'static str],
    pub(super) password: &'static [&'static str],
    pub(super) database: &'static [&'static str],
    /// Supported options.
    pub(super) heeded: &'static [&'static str],
    /// Options that make no difference for mlrun's few short statements.
    pub(super) harmless: &'static [&'static str],
    /// Options that exist, but that mlrun does not support.
    pub(super) unsupported: &'static [&'static str],
}

/// The location of a database, and the user.
#[derive(Debug)]
pub(super) struct ServerAddress {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    /// The host in the authority.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: String,
    /// The options of the query, in order.
    options: Vec<(String, Secret)>,
}

impl ServerAddress {
    /// Parses the address.
    ///
    /// # Errors
    /// An invalid address, one without a database, or one with an unknown or unsupported option.
    pub(super) fn parse(uri: &str, names: &OptionNames) -> Result<Self, SqlError> {
        let parts = Parts::of(uri).ok_or_else(|| refuse("the address is not a URL"))?;
        let port = parts
            .port
            .filter(|port| !port.is_empty())
            .map(read_port)
            .transpose()?;
        // Like Python's parse_qsl, ignore an option without a value.
        let options: Vec<(String, Secret)> =
            form_urlencoded::parse(parts.query.unwrap_or_default().as_bytes())
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.into_owned(), Secret::new(value.into_owned())))
                .collect();
        let mut address = Self {
            user: parts.user.map(unquote).filter(|user| !user.is_empty()),
            password: parts.password.map(|password| Secret::new(unquote(password))),
            host: parts.host.map(unquote).filter(|host| !host.is_empty()),
            port,
            database: parts.database.map(unquote).unwrap_or_default(),
            options,
        };
        address.check_options(names)?;
        if let Some(user) = address.option(names.user) {
            address.user = Some(user.to_owned());
        }
        if let Some(password) = address.option(names.password) {
            address.password = Some(Secret::new(password));
        }
        if let Some(database) = address.option(names.database) {
            address.database = database.to_owned();
        }
        if address.database.is_empty() {
            return Err(refuse("the address contains no database"));
        }
        Ok(address)
    }

    /// The value of the last option with one of these names.
    pub(super) fn option(&self, names: &[&str]) -> Option<&str> {
        self.all(names).last()
    }

    /// The values of all options with one of these names.
    pub(super) fn all(&self, names: &[&str]) -> impl Iterator<Item = &str> {
        let found = self
            .options
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.expose())
    }

    /// The port in the options, or in the authority.
    pub(super) fn port(&self) -> Result<Option<u16>, SqlError> {
        Ok(self.option(&["port"]).map(read_port).transpose()?.or(self.port))
    }

    /// The seconds in these options; `None` for 0 and less.
    pub(super) fn seconds(&self, names: &[&str]) -> Result<Option<u64>, SqlError> {
        let Some(text) = self.option(names) else {
            return Ok(None);
        };
        let number: i64 = text.trim().parse().map_err(|_| {
            SqlError::with_hint(
                format!("the option '{}' is not a whole number of seconds", names[0]),
                format!("write a number, such as {}=10", names[0]),
            )
        })?;
        Ok(u64::try_from(number).ok().filter(|seconds| *seconds > 0))
    }

    fn check_options(&self, names: &OptionNames) -> Result<(), SqlError> {
        let known = [
            names.heeded,
            names.user,
            names.password,
            names.database,
            names.harmless,
        ]
        .concat();
        let unknown = self
            .options
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()));
        let Some((name, _)) = unknown else {
            return Ok(());
        };
        if names.unsupported.contains(&name.as_str()) {
            return Err(SqlError::with_hint(
                format!("the option '{name}' in the address is not supported by mlrun"),
                format!("remove '{name}' from MLFLOW_TRACKING_URI, or use a tracking server"),
            ));
        }
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!(
                "the known options are {}",
                known[..OPTIONS_SHOWN.min(known.len())].join(", ")
            ),
        };
        Err(SqlError::with_hint(
            format!("unknown option '{name}' in the address"),
            hint,
        ))
    }
}

/// The error for an invalid address.
pub(super) fn refuse(message: impl Into<String>) -> SqlError {
    let hint = "write it as DIALECT://USER:PASSWORD@HOST:PORT/DATABASE; encode special characters in the password \
    (%40 for @)";
    SqlError::with_hint(message, hint)
}

pub(super) fn read_port(text: &str) -> Result<u16, SqlError> {
    text.trim()
        .parse()
        .map_err(|_| refuse("the port in the address is not a number from 0 to 65535"))
}

/// The parts of an address, split like SQLAlchemy: the host may be missing even if there is a user, and a password may
/// contain slashes and question marks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<&'a str>,
    database: Option<&'a str>,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let (_, rest) = uri.split_once("://")?;
        let mut parts = Self::default();
        let rest = parts.take_user(rest);
        let rest = parts.take_host(rest);
        let (before_query, query) = match rest.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (rest, None),
        };
        parts.query = query;
        parts.database = before_query.strip_prefix('/');
        Some(parts)
    }

    /// Parses `user@` or `user:password@` and returns the rest.
    fn take_user(&mut self, text: &'a str) -> &'a str {
        let end = text.find([':', '/']).unwrap_or(text.len());
        let (user, after) = text.split_at(end);
        if let Some((password, rest)) = after.strip_prefix(':').and_then(|after| after.split_once('@')) {
            (self.user, self.password) = (Some(user), Some(password));
            return rest;
        }
        match user.rfind('@') {
            Some(at) => {
                self.user = Some(&user[..at]);
                &text[at + 1..]
            }
            None => text,
        }
    }

    /// Parses `host`, `[host]` and `:port` and returns the rest.
    fn take_host(&mut self, text: &'a str) -> &'a str {
        let bracketed = text
            .strip_prefix('[')
            .and_then(|text| text.split_once(']'))
            .filter(|(host, _)| !host.is_empty() && !host.contains(['/', '?']));
        let rest = match bracketed {
            Some((host, rest)) => {
                self.host = Some(host);
                rest
            }
            None => {
                let (host, rest) = text.split_at(text.find(['/', ':', '?']).unwrap_or(text.len()));
                self.host = Some(host).filter(|host| !host.is_empty());
                rest
            }
        };
        let Some(after_colon) = rest.strip_prefix(':') else {
            return rest;
        };
        let (port, rest) = after_colon.split_at(after_colon.find(['/', '?']).unwrap_or(after_colon.len()));
        self.port = Some(port);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: OptionNames = OptionNames {
        user: &["user"],
        password: &["password"],
        database: &["dbname"],
        heeded: &["host", "port", "sslmode", "connect_timeout"],
        harmless: &["keepalives"],
        unsupported: &["service"],
    };

    fn parse(uri: &str) -> Result<ServerAddress, SqlError> {
        ServerAddress::parse(uri, &NAMES)
    }

    #[test]
    fn every_part_is_found_and_decoded() {
        let address = parse(
            "postgresql+psycopg2://an%20na:p%40ss@db.host:5433/ml%20flow?sslmode=disable&sslmode=require&host=/run&keepalives=",
        )
        .unwrap();
        assert_eq!(address.user.as_deref(), Some("an na"));
        assert_eq!(address.password.as_ref().map(Secret::expose), Some("p@ss"));
        assert_eq!(address.host.as_deref(), Some("db.host"));
        assert_eq!(address.port, Some(5433));
        assert_eq!(address.database, "ml flow");
        assert_eq!(address.option(&["sslmode"]), Some("require"));
        assert_eq!(address.option(&["unix_socket", "host"]), Some("/run"));
        assert_eq!(address.option(&["other"]), None);
        assert_eq!(
            address.all(&["sslmode"]).collect::<Vec<_>>(),
            ["disable", "require"]
        );

        let address = parse("mysql:///mlflow").unwrap();
        assert_eq!((address.user, address.host, address.port), (None, None, None));
        assert_eq!(
            parse("mysql:host").unwrap_err().message,
            "the address is not a URL"
        );
    }

    /// Each as `sqlalchemy.engine.make_url` of SQLAlchemy 2.1 gives them: user, password, host, port and database.
    #[test]
    fn addresses_are_cut_as_sqlalchemy_does() {
        for (rest, expected) in [
            ("u:p@/db", ["u", "p", "", "", "db"]),
            ("u@/db", ["u", "", "", "", "db"]),
            ("/db", ["", "", "", "", "db"]),
            ("u:p/w?x@h:1/db", ["u", "p/w?x", "h", "1", "db"]),
            ("u:@h/db", ["u", "", "h", "", "db"]),
            (":p@h/db", ["", "p", "h", "", "db"]),
            ("a@b@h/db", ["a@b", "", "h", "", "db"]),
            ("u:p@[::1]:5432/db", ["u", "p", "::1", "5432", "db"]),
            ("[fe80::1]/db", ["", "", "fe80::1", "", "db"]),
            ("h:/db", ["", "", "h", "", "db"]),
            ("h?x=1", ["", "", "h", "", ""]),
            ("h:1?x=1", ["", "", "h", "1", ""]),
            ("h/a/b?x=/y", ["", "", "h", "", "a/b"]),
        ] {
            let uri = format!("postgresql://{rest}");
            let parts = Parts::of(&uri).unwrap();
            let found = [parts.user, parts.password, parts.host, parts.port, parts.database];
            assert_eq!(found.map(Option::unwrap_or_default), expected, "{rest}");
        }
    }

    #[test]
    fn options_stand_for_parts() {
        let address = parse("postgresql://?user=anna&password=p%2Bq+r&dbname=x&host=h&port=1").unwrap();
        assert_eq!(address.user.as_deref(), Some("anna"));
        assert_eq!(address.password.as_ref().map(Secret::expose), Some("p+q r"));
        assert_eq!(address.database, "x");
        assert_eq!(address.port().unwrap(), Some(1));
        assert!(!format!("{address:?}").contains("p+q"));
        let address = parse("postgresql://u:p@h:2/x?user=v&connect_timeout=3").unwrap();
        assert_eq!(address.user.as_deref(), Some("v"));
        assert_eq!(address.port().unwrap(), Some(2));
        assert_eq!(address.seconds(&["connect_timeout"]).unwrap(), Some(3));
    }
}

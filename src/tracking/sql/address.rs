//! The address of a database server, as SQLAlchemy reads it: `dialect+driver://user:password@host:port/database?option=value`.

use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::driver::SqlError;
use crate::redact::Secret;

/// Where a database is, and who opens it.
#[derive(Debug)]
pub(super) struct ServerAddress {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: String,
    /// The options of the query, in their order.
    options: Vec<(String, String)>,
}

impl ServerAddress {
    /// Reads the address.
    ///
    /// # Errors
    /// The text is no URL, or names no database.
    pub(super) fn parse(uri: &str) -> Result<Self, SqlError> {
        let refuse = |message: String| {
            SqlError {
            hint: Some("write it as dialect://user:password@host:port/database; a password's special characters need percent signs (%40 for @)".to_owned()),
            ..SqlError::new(message)
        }
        };
        let url = Url::parse(uri).map_err(|error| refuse(format!("the address is no URL: {error}")))?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let database = decoded(url.path().trim_start_matches('/'));
        if database.is_empty() {
            return Err(refuse("the address names no database".to_owned()));
        }
        Ok(Self {
            user: Some(decoded(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(|password| Secret::new(decoded(password))),
            host: url.host_str().map(decoded).filter(|host| !host.is_empty()),
            port: url.port(),
            database,
            options: url.query_pairs().into_owned().collect(),
        })
    }

    /// The value of the last of the options with one of these names.
    pub(super) fn option(&self, names: &[&str]) -> Option<&str> {
        let mut options = self.options.iter().rev();
        options
            .find(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found_and_decoded() {
        let address = ServerAddress::parse(
            "postgresql+psycopg2://an%20na:p%40ss@db.host:5433/ml%20flow?sslmode=disable&sslmode=require&host=/run",
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

        let address = ServerAddress::parse("mysql:///mlflow").unwrap();
        assert_eq!((address.user, address.host, address.port), (None, None, None));
    }

    #[test]
    fn what_names_no_database_is_refused() {
        for (uri, expected) in [
            ("postgresql://host", "the address names no database"),
            ("mysql://host/", "the address names no database"),
            (
                "mysql://u:geheim@host:port/x",
                "the address is no URL: invalid port number",
            ),
        ] {
            assert_eq!(ServerAddress::parse(uri).unwrap_err().message, expected);
        }
    }
}

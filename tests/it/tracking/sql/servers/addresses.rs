//! Addresses that SQLAlchemy takes, and options that exist or do not.

use std::net::TcpListener;

use super::database;
use super::server::{Kind, Server};
use crate::harness::Project;
use crate::harness::{Client, assert_contains, assert_lacks};

fn project(uri: &str) -> Project {
    Project::new()
        .command(r#"echo "$MLFLOW_TRACKING_URI""#)
        .env("MLFLOW_TRACKING_URI", uri)
}

/// Each is opened by mlrun and by the real client, and both find the same runs.
#[test]
fn what_sqlalchemy_takes_is_taken() {
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    for (kind, name, addresses) in [
        (
            Kind::Postgres,
            "addresses",
            &[
                "postgresql+psycopg2://mlflow:<password>@/addresses?host=<directory>&port=<port>",
                "postgresql+psycopg2://mlflow:<password>@:<port>/addresses?host=<directory>",
                "postgresql+psycopg2:///addresses?user=mlflow&password=<password>&host=127.0.0.1&port=<port>",
                "postgresql+psycopg2://nobody:wrong@127.0.0.1:<port>/none?user=mlflow&password=<password>&dbname=addresses",
                "postgresql+psycopg2://mlf%6Cow:<password>@localhost:<port>/addr%65sses?sslmode=prefer&connect_timeout=20",
                "postgresql+psycopg2://mlflow:<password>@/addresses?host=127.0.0.1:1&host=127.0.0.1:<port>",
                "postgresql+psycopg2://mlflow:<password>@127.0.0.1:<port>/addresses?application_name=m&options=-csearch_path%3Dpublic&keepalives=1",
                "postgresql+psycopg2://mlflow:<password>@[::1]:<port>/addresses",
            ][..],
        ),
        (
            Kind::MariaDb,
            "addresses",
            &[
                "mysql+pymysql://mlflow:<password>@/addresses?unix_socket=<directory>/socket",
                "mysql+pymysql://127.0.0.1:<port>/addresses?user=mlflow&password=<password>",
                "mysql+pymysql://mlflow:<password>@localhost/addresses?host=127.0.0.1&charset=utf8mb4&unix_socket=<directory>/socket",
                "mysql+pymysql://mlf%6Cow:<password>@127.0.0.1:<port>/addr%65sses?charset=utf8mb4&connect_timeout=20&ssl_disabled=true",
                "mysql+pymysql://nobody:wrong@127.0.0.1:<port>/none?user=mlflow&password=<password>&database=addresses",
                "mysql+pymysql://mlflow:<password>@127.0.0.1:<port>/addresses?init_command=SET+@a=1&sql_mode=TRADITIONAL&read_timeout=60",
            ],
        ),
    ] {
        let Some(mut client) = Client::newest() else {
            return;
        };
        let Some(database) = database(kind, &mut client, name) else {
            continue;
        };
        let mut count = client.read(&database.server.uri(name))["runs"]
            .as_array()
            .unwrap()
            .len();
        for address in addresses
            .iter()
            .filter(|address| has_ipv6 || !address.contains("[::1]"))
        {
            let uri = database.server.expand(address);
            let project = project(&uri);
            let finished = project.run([]).with_code(0);
            assert_eq!(finished.stdout(), format!("{uri}\n"));
            assert_lacks(finished.stderr(), "p%40ss");
            count += 1;
            assert_eq!(
                client.read(&uri)["runs"].as_array().unwrap().len(),
                count,
                "{address}"
            );
        }
    }
}

/// Drivers that the client of the tests does not have.
#[test]
fn the_addresses_of_other_drivers_are_taken() {
    let Some(mut client) = Client::newest() else {
        return;
    };
    for (kind, name, addresses) in [
        (
            Kind::Postgres,
            "other_drivers",
            &[
                "postgresql://mlflow:<password>@127.0.0.1:<port>/other_drivers",
                "postgresql+psycopg://mlflow:<password>@127.0.0.1:<port>/other_drivers",
                "postgresql+pg8000://mlflow:<password>@/other_drivers?unix_sock=<directory>/.s.PGSQL.<port>",
            ][..],
        ),
        (
            Kind::MariaDb,
            "other_drivers",
            &[
                "mysql+mysqlconnector://mlflow:<password>@127.0.0.1:<port>/other_drivers?collation=utf8mb4_general_ci&use_pure=True",
                "mysql://mlflow:<password>@127.0.0.1:<port>/other_drivers?ssl_mode=DISABLED",
            ],
        ),
    ] {
        let Some(database) = database(kind, &mut client, name) else {
            continue;
        };
        for address in addresses {
            project(&database.server.expand(address)).run([]).expect_code(0);
        }
    }
}

#[test]
fn options_that_cannot_be_heeded_are_named() {
    for (kind, dialect, rows) in [
        (
            Kind::Postgres,
            "postgresql",
            &[
                (
                    "sslmod=geheim",
                    "unknown option 'sslmod' in the address",
                    "did you mean 'sslmode'?",
                ),
                (
                    "passwort=geheim",
                    "unknown option 'passwort'",
                    "did you mean 'password'?",
                ),
                (
                    "unix_socket=geheim",
                    "unknown option 'unix_socket'",
                    "did you mean 'unix_sock'?",
                ),
                (
                    "x=geheim",
                    "unknown option 'x'",
                    "the known options are host, port, sslmode,",
                ),
                (
                    "service=geheim",
                    "the option 'service' in the address is not supported",
                    "remove 'service'",
                ),
                (
                    "connect_timeout=geheim",
                    "'connect_timeout' is not a whole number",
                    "write a number, such as connect_timeout=10",
                ),
                (
                    "port=geheim",
                    "the port in the address is not a number",
                    "write it as DIALECT://",
                ),
            ][..],
        ),
        (
            Kind::MariaDb,
            "mysql+pymysql",
            &[
                (
                    "unix_sokcet=geheim",
                    "unknown option 'unix_sokcet'",
                    "did you mean 'unix_socket'?",
                ),
                (
                    "charst=geheim",
                    "unknown option 'charst'",
                    "did you mean 'charset'?",
                ),
                (
                    "read_default_file=geheim",
                    "'read_default_file' in the address is not supported",
                    "remove",
                ),
            ],
        ),
    ] {
        let Some(server) = Server::shared(kind) else {
            continue;
        };
        for (query, error, hint) in rows {
            let project = project(&format!("{dialect}://{}/none?{query}", server.authority()));
            let finished = project.run([]).with_code(1);
            let told = finished.stderr();
            assert!(
                told.contains(error) && told.contains(&format!("hint: {hint}")),
                "{query}: {told}"
            );
            assert!(!told.contains("geheim") && !told.contains("p%40ss"), "{told}");
        }
    }
}

/// A server that accepts connections and says nothing.
#[test]
fn a_silent_server_is_given_up_after_its_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for dialect in ["postgresql", "mysql+pymysql"] {
        let project = project(&format!("{dialect}://u@127.0.0.1:{port}/x?connect_timeout=1"));
        let finished = project.run([]).with_code(1);
        let told = finished.stderr();
        assert_contains(told, "no connection within 1s");
        let hint = format!("hint: check that a database server is running at 127.0.0.1 (port {port})");
        assert_contains(told, &hint);
    }
}

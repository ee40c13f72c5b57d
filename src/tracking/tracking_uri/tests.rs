//! Which store a text names.

use super::*;

fn resolve(value: &str) -> Result<TrackingUri, TrackingUriError> {
    TrackingUri::resolve(Some(value), Path::new("/srv/a b"))
}

/// The store's path, and where its experiments keep their artifacts.
fn places(uri: &TrackingUri) -> (&Path, &str) {
    match uri {
        TrackingUri::Sqlite {
            path, artifact_root, ..
        }
        | TrackingUri::File {
            path, artifact_root, ..
        } => (path, artifact_root),
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_become_absolute() {
    for (value, path, child) in [
        ("sqlite:///x.db", "/srv/a b/x.db", "sqlite:////srv/a b/x.db"),
        (
            "sqlite:///./s/../x.db",
            "/srv/a b/x.db",
            "sqlite:////srv/a b/x.db",
        ),
        ("sqlite:///../ü.db", "/srv/ü.db", "sqlite:////srv/ü.db"),
        (
            "sqlite:///p%20q%2525.db",
            "/srv/a b/p q%25.db",
            "sqlite:////srv/a b/p q%2525.db",
        ),
        (
            "sqlite:///x.db?timeout=5",
            "/srv/a b/x.db",
            "sqlite:////srv/a b/x.db?timeout=5",
        ),
        (
            "sqlite+pysqlite:///x.db",
            "/srv/a b/x.db",
            "sqlite+pysqlite:////srv/a b/x.db",
        ),
        (
            "sqlite:///what%3F100%25.db",
            "/srv/a b/what?100%.db",
            "sqlite:////srv/a b/what%3F100%.db",
        ),
        (
            "sqlite:///%2541.db",
            "/srv/a b/%41.db",
            "sqlite:////srv/a b/%2541.db",
        ),
        ("SQLite:////abs/x.db", "/abs/x.db", "sqlite:////abs/x.db"),
        (
            "sqlite:////abs/a b#c.db",
            "/abs/a b#c.db",
            "sqlite:////abs/a b#c.db",
        ),
        (
            "sqlite:////abs/a%20b.db?x=1",
            "/abs/a b.db",
            "sqlite:////abs/a%20b.db?x=1",
        ),
        ("sqlite:///~/x.db", "/srv/a b/~/x.db", "sqlite:////srv/a b/~/x.db"),
        ("mlruns", "/srv/a b/mlruns", "/srv/a b/mlruns"),
        ("./sub/", "/srv/a b/sub", "/srv/a b/sub"),
        ("../x", "/srv/x", "/srv/x"),
        ("p%20q%2525", "/srv/a b/p q%25", "/srv/a b/p q%2525"),
        ("/abs/x#y?z", "/abs/x#y?z", "/abs/x#y?z"),
        ("a:b", "/srv/a b/a:b", "/srv/a b/a:b"),
        ("file:x", "/srv/a b/x", "file:///srv/a%20b/x"),
        ("file:./x", "/srv/a b/x", "file:///srv/a%20b/x"),
        ("file:p%20q", "/srv/a b/p q", "file:///srv/a%20b/p%20q"),
        ("file:///abs/p%20q", "/abs/p q", "file:///abs/p%20q"),
        ("file:/abs", "/abs", "file:/abs"),
        ("file://localhost/abs", "/abs", "file://localhost/abs"),
        ("file:///abs?q#f", "/abs", "file:///abs?q#f"),
    ] {
        let uri = resolve(value).unwrap();
        let is_database = value.to_ascii_lowercase().starts_with("sqlite");
        assert_eq!(matches!(uri, TrackingUri::Sqlite { .. }), is_database, "{value}");
        let artifact_root = if is_database { "/srv/a b/mlruns" } else { child };
        assert_eq!(places(&uri), (Path::new(path), artifact_root), "{value}");
        assert_eq!(uri.for_child(), child, "{value}");
        assert_eq!(uri.to_string(), child, "{value}");
        let seen_by_child = TrackingUri::resolve(Some(child), Path::new("/elsewhere")).unwrap();
        assert_eq!(places(&seen_by_child).0, Path::new(path), "{child}");
    }
}

#[test]
fn servers_are_kept_as_they_are_and_shown_without_credentials() {
    for (value, shown) in [
        ("http://localhost:5000", "http://localhost:5000"),
        ("HTTPS://user:token@host/path/", "HTTPS://host/path/"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
        ("databricks-uc", "databricks-uc"),
        (
            "postgresql+psycopg2://u:p@h:5432/db?password=x",
            "postgresql+psycopg2://h:5432/db",
        ),
        ("mysql://u:p@h/db", "mysql://h/db"),
    ] {
        let uri = resolve(value).unwrap();
        assert_eq!(uri.for_child(), value);
        assert_eq!(uri.to_string(), shown);
        assert!(
            !format!("{uri:?}").contains("token") && !format!("{uri:?}").contains("u:p"),
            "{uri:?}"
        );
    }
}

#[test]
fn what_names_no_store_is_explained() {
    for (value, message, hint) in [
        ("sqlite://", "is an in-memory database", "sqlite:///mlflow.db"),
        ("sqlite:///", "is an in-memory database", "sqlite:///mlflow.db"),
        (
            "sqlite:///:memory:",
            "is an in-memory database",
            "sqlite:///mlflow.db",
        ),
        (
            "sqlite:///?cache=shared",
            "is an in-memory database",
            "sqlite:///mlflow.db",
        ),
        (
            "sqlite://x.db",
            "not a valid SQLite URI",
            "did you mean sqlite:///x.db,",
        ),
        (
            "sqlite:x.db",
            "not a valid SQLite URI",
            "did you mean sqlite:///x.db,",
        ),
        (
            "sqlite:/x.db",
            "not a valid SQLite URI",
            "did you mean sqlite:////x.db, or sqlite:///x.db in this directory?",
        ),
        (
            "sqlite:///file:x.db?mode=ro&uri=true",
            "SQLite's URI file names",
            "plain path",
        ),
        (
            "file://host/x/y",
            "has the host 'host'",
            "did you mean ./host/x/y or file:///x/y?",
        ),
        ("file:", "contains no directory", "file:///ABSOLUTE/PATH"),
        ("file://", "contains no directory", "file:///ABSOLUTE/PATH"),
        (
            "s3://key:secret@bucket/x",
            "'s3://bucket/x' has the unknown scheme 's3'",
            "http(s)://",
        ),
    ] {
        let error = resolve(value).unwrap_err();
        assert!(error.to_string().contains(message), "{value}: {error}");
        assert!(
            error.hint().unwrap().contains(hint),
            "{value}: {:?}",
            error.hint()
        );
    }
}

#[test]
fn the_default_is_a_database_unless_mlruns_holds_experiments() {
    let directory = tempfile::tempdir().unwrap();
    let cwd = directory.path();
    let child = |value: Option<&str>| TrackingUri::resolve(value, cwd).unwrap().for_child();
    let database = format!("sqlite:///{}/mlflow.db", cwd.display());
    assert_eq!(child(None), database);
    assert_eq!(child(Some("")), database);
    std::fs::create_dir_all(cwd.join("mlruns/0")).unwrap();
    std::fs::create_dir_all(cwd.join("mlruns/models")).unwrap();
    std::fs::write(cwd.join("mlruns/models/meta.yaml"), "").unwrap();
    assert_eq!(
        child(None),
        database,
        "a directory without meta.yaml is not an experiment"
    );
    std::fs::write(cwd.join("mlruns/0/meta.yaml"), "").unwrap();
    assert_eq!(child(None), format!("file://{}/mlruns", cwd.display()));
}

/// What a value is taken for, from the store that it names or from the error.
fn taken_for(value: &str, cwd: &Path) -> String {
    match TrackingUri::resolve(Some(value), cwd) {
        Ok(TrackingUri::File { path, .. }) => format!("directory {}", path.display()),
        Ok(other) => format!("store {other}"),
        Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
    }
}

#[test]
fn what_looks_like_something_else_is_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let cwd = directory.path();
    std::fs::write(cwd.join("store"), b"SQLite format 3\0rest").unwrap();
    for (value, hint) in [
        // Servers.
        ("localhost:5000", "did you mean http://localhost:5000?"),
        ("localhost", "did you mean http://localhost:5000?"),
        ("host:5000/path", "did you mean http://host:5000/path?"),
        ("my_host:5000", "did you mean http://my_host:5000?"),
        ("[::1]:5000", "did you mean http://[::1]:5000?"),
        ("10.1.2.3", "did you mean http://10.1.2.3?"),
        ("//localhost:5000", "did you mean http://localhost:5000?"),
        ("mlflow.example.com", "./mlflow.example.com for a directory"),
        (
            "mlflow.example.com:8080/x",
            "did you mean http://mlflow.example.com:8080/x?",
        ),
        ("example.com/mlflow", "did you mean http://example.com/mlflow?"),
        ("mlflow.internal", "did you mean http://mlflow.internal?"),
        ("mlflow.firma.de", "did you mean http://mlflow.firma.de?"),
        // URLs.
        ("\"http://host:5000\"", "did you mean http://host:5000?"),
        ("'sqlite:///x.db'", "did you mean sqlite:///x.db?"),
        ("\"http://host:5000", "did you mean http://host:5000?"),
        ("'http://anna:geheim@host'", "remove the quotes from the value"),
        (" http://host:5000 ", "did you mean http://host:5000?"),
        ("http://host:5000\n", "did you mean http://host:5000?"),
        ("mlruns\n", "did you mean mlruns?"),
        ("sqlite:///x.db\r\n", "did you mean sqlite:///x.db?"),
        ("  ", "unset MLFLOW_TRACKING_URI"),
        ("http//host", "did you mean http://host?"),
        ("https//host:1", "did you mean https://host:1?"),
        ("http;//host", "did you mean http://host?"),
        ("file//data", "did you mean file://data?"),
        ("http:/host", "did you mean http://host?"),
        ("http:///host", "did you mean http://host?"),
        ("http:\\\\host", "did you mean http://host?"),
        ("https:host", "did you mean https://host?"),
        ("http:anna:geheim@host", "write http:// before the host"),
        ("http://", "write http://HOST:PORT"),
        ("http://http://host", "did you mean http://host?"),
        ("htp://host", "did you mean http://host?"),
        ("htps://host", "did you mean https://host?"),
        ("ht_tp://host", "did you mean http://host?"),
        ("://host", "did you mean http://host?"),
        ("postgres://host/x", "did you mean postgresql://host/x?"),
        ("postgressql://host/x", "did you mean postgresql://host/x?"),
        ("mariadb+pymysql://host/x", "did you mean mysql+pymysql://host/x?"),
        ("sqlite3:///x.db", "did you mean sqlite:///x.db?"),
        (
            "postgresql+asyncpg://host/x",
            "did you mean postgresql+psycopg2://host/x?",
        ),
        (
            "postgresql+psycopg3://host/x",
            "did you mean postgresql+psycopg2://host/x?",
        ),
        (
            "mysql+aiomysql://anna:geheim@host/x",
            "write mysql+pymysql:// instead of mysql+aiomysql://",
        ),
        ("sqlite+aiosqlite:///x.db", "did you mean sqlite:///x.db?"),
        // Databases.
        ("./x.sqlite", "did you mean sqlite:///x.sqlite?"),
        ("../x.SQLite3", "did you mean sqlite:///../x.SQLite3?"),
        ("/data/mlflow.db", "did you mean sqlite:////data/mlflow.db?"),
        (
            "file:///data/mlflow.db",
            "did you mean sqlite:////data/mlflow.db?",
        ),
        ("store", "did you mean sqlite:///store?"),
        // Directories and workspaces.
        ("file://../mlruns", "did you mean ../mlruns or file:///mlruns?"),
        ("file://mlruns/", "did you mean ./mlruns/?"),
        ("Databricks", "did you mean databricks?"),
        ("databrick", "did you mean databricks?"),
    ] {
        let found = taken_for(value, cwd);
        assert!(found.starts_with("the tracking URI '"), "{value}: {found}");
        assert!(found.contains(hint), "{value}: {found}");
        assert!(
            !found.contains("geheim") && !found.contains('\n'),
            "{value}: {found}"
        );
    }
    assert_eq!(std::fs::read_dir(cwd).unwrap().count(), 1, "nothing is created");
}

#[test]
fn what_is_or_can_only_be_a_directory_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let cwd = directory.path();
    let names = [
        "127.0.0.1:5000",
        "mlflow.example.com",
        "mlflow.db",
        "localhost",
        "Databricks",
        " mlruns ",
        "\"quoted\"",
    ];
    for name in names {
        std::fs::create_dir(cwd.join(name)).unwrap();
    }
    let others = [
        "mlruns",
        "mlruns.bak",
        "mlruns.v2",
        "mlruns.dev",
        "store.local",
        "runs.2024",
        "runs.de",
        "2024-01-01T12:30",
        "a.b.c",
        "with blank",
        "x/mlflow.example.com",
        "sub//mlruns",
        "C:\\mlruns",
        "C:5000",
        "C://data",
        "a@b",
    ];
    for name in names.iter().chain(&others) {
        let expected = format!("directory {}", abspath(cwd, name).display());
        assert_eq!(taken_for(name, cwd), expected);
    }
    for value in [
        "./10.0.0.1",
        "./mlflow.example.com:5000",
        "file:mlflow.example.com",
    ] {
        assert!(taken_for(value, cwd).starts_with("directory /"), "{value}");
    }
    let uri = format!("file://{}/mlflow.db", cwd.display());
    assert!(taken_for(&uri, cwd).starts_with("directory /"));
}

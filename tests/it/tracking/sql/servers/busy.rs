//! Servers that have too much to do: too many connections, deadlocks, rights for a part alone; and those that
//! end an idle connection while an entry point runs.

use std::process::Stdio;

use super::server::Kind;
use super::{Client, database};
use crate::harness::running::{start_with, wait_for_entry_point, waits_for_go};
use crate::harness::{Project, assert_contains};

fn project(uri: &str) -> Project {
    Project::new()
        .mlproject("entry_points: {main: {parameters: {a: {default: 1}}, command: 'true {a}'}}")
        .env("MLFLOW_TRACKING_URI", uri)
}

/// The statuses of the runs with this name, and what they have as parameters.
const RUNS: &str = "SELECT status, (SELECT count(*) FROM params WHERE params.run_uuid = runs.run_uuid) FROM runs WHERE name = 'busy'";

#[test]
fn runs_wait_for_a_connection() {
    let Some(mut client) = Client::newest() else {
        return;
    };
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let Some(database) = database(kind, &mut client, "crowded") else {
            continue;
        };
        let server = database.server;
        match kind {
            Kind::Postgres => server.query(
                "crowded",
                "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 1; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO few; \
                 GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO few",
            ),
            Kind::MariaDb => server.query(
                "crowded",
                "CREATE USER few@'127.0.0.1' IDENTIFIED BY 'few' WITH MAX_USER_CONNECTIONS 1; \
                 GRANT ALL ON crowded.* TO few@'127.0.0.1'",
            ),
        };
        let authority = server.authority();
        let (_, place) = authority.rsplit_once('@').unwrap();
        let uri = server
            .uri("crowded")
            .replace(&authority, &format!("few:few@{place}"));
        let project = project(&uri);
        let started: Vec<_> = (0..6)
            .map(|_| {
                let mut command = project.sandbox().mlrun();
                command.args(["run", "project", "--env-manager", "local", "--run-name", "busy"]);
                command.env("MLFLOW_TRACKING_URI", &uri);
                command
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for run in started {
            let output = run.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(0), "{said}");
        }
        let runs = server.query("crowded", RUNS);
        assert_eq!(runs.matches("FINISHED").count(), 6, "{runs}");
    }
}

#[test]
fn a_transaction_that_was_given_up_is_tried_again() {
    let Some(mut client) = Client::newest() else {
        return;
    };
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let Some(database) = database(kind, &mut client, "deadlock") else {
            continue;
        };
        // What is counted stays when the transaction does not.
        let script = match kind {
            Kind::Postgres => {
                "CREATE SEQUENCE made; CREATE SEQUENCE ended; \
                 CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF nextval(TG_ARGV[0]) = 1 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF; \
                 RETURN NEW; END $$; \
                 CREATE TRIGGER made BEFORE INSERT ON params FOR EACH ROW EXECUTE FUNCTION once('made'); \
                 CREATE TRIGGER ended BEFORE UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION once('ended');"
            }
            Kind::MariaDb => {
                "CREATE TABLE counted (made INT) ENGINE=MyISAM;\nDELIMITER //\n\
                 CREATE TRIGGER made BEFORE INSERT ON params FOR EACH ROW BEGIN \
                 INSERT INTO counted VALUES (1); IF (SELECT count(*) FROM counted WHERE made = 1) = 1 THEN \
                 SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'; END IF; END//\n\
                 CREATE TRIGGER ended BEFORE UPDATE ON runs FOR EACH ROW BEGIN \
                 INSERT INTO counted VALUES (2); IF (SELECT count(*) FROM counted WHERE made = 2) = 1 THEN \
                 SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'; END IF; END//\n"
            }
        };
        database.server.query("deadlock", script);
        let project = project(&database.server.uri("deadlock"));
        project.run(["--run-name", "busy"]).expect_code(0);
        let runs = database.server.query("deadlock", RUNS);
        assert_eq!(runs.matches("FINISHED").count(), 1, "{runs}");
    }
}

#[test]
fn who_may_not_write_parameters_leaves_no_run() {
    let Some(mut client) = Client::newest() else {
        return;
    };
    let Some(database) = database(Kind::Postgres, &mut client, "no_params") else {
        return;
    };
    let server = database.server;
    server.query(
        "no_params",
        "CREATE ROLE no_params LOGIN PASSWORD 'x'; \
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO no_params; \
         REVOKE INSERT ON params FROM no_params",
    );
    let authority = server.authority();
    let (_, place) = authority.rsplit_once('@').unwrap();
    let uri = server
        .uri("no_params")
        .replace(&authority, &format!("no_params:x@{place}"));
    let project = project(&uri);
    let finished = project.run(["--run-name", "busy", "--run-info", "info.json"]);
    finished.expect_code(1);
    assert_contains(finished.stderr(), "permission denied for table params");
    assert_eq!(server.query("no_params", RUNS).trim(), "");
    let info = project.run_info();
    assert!(info["run_id"].is_null(), "{info}");
}

#[test]
fn the_end_is_recorded_over_a_new_connection() {
    let Some(mut client) = Client::newest() else {
        return;
    };
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let Some(database) = database(kind, &mut client, "away") else {
            continue;
        };
        let project = waits_for_go("exit 0");
        let uri = database.server.uri("away");
        let mut child = start_with(&project, &uri, &[]);
        wait_for_entry_point(&project, &mut child);
        match kind {
            Kind::Postgres => {
                let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE datname = 'away' AND pid <> pg_backend_pid()";
                assert!(database.server.query("away", sql).contains('t'));
            }
            Kind::MariaDb => {
                let sql = "SELECT id FROM information_schema.processlist WHERE db = 'away' AND id <> CONNECTION_ID()";
                for id in database.server.query("away", sql).lines() {
                    database.server.query("away", &format!("KILL CONNECTION {id}"));
                }
            }
        }
        project.sandbox().write("project/go", "");
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_contains(&said, "is not recorded yet");
        let sql = "SELECT status FROM runs ORDER BY start_time DESC LIMIT 1";
        assert_eq!(database.server.query("away", sql).trim(), "FINISHED");
    }
}

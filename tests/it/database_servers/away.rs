//! A server that ends mlrun's connection while an entry point runs: idle ones are often ended.

use super::server::Kind;
use super::{Client, database};
use crate::signals::wait_for_entry_point;
use crate::store_away::{start, waits_for_go};

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
        let mut child = start(&project, &uri, &[]);
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
        assert!(said.contains("cannot be recorded yet"), "{said}");
        let sql = "SELECT status FROM runs ORDER BY start_time DESC LIMIT 1";
        assert_eq!(database.server.query("away", sql).trim(), "FINISHED");
    }
}

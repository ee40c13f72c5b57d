//! Credentials that are missing, wrong, or expire.

use fake_databricks::{CLIENT, Fault, JobState, Settings, TOKEN};

use super::{anonymous_project, project, recorded, run, wait_until, workspace};
use crate::harness::Project;

fn long_job() -> Settings {
    let mut job = vec![JobState::on("PENDING", "Waiting for cluster")];
    job.extend(vec![JobState::on("RUNNING", "In run"); 6]);
    job.push(JobState::end("TERMINATED", Some("SUCCESS"), ""));
    Settings {
        job,
        ..Settings::default()
    }
}

#[test]
fn what_is_wrong_is_told_without_a_secret() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let with = |variables: &[(&str, &str)]| {
        let project = anonymous_project(&fake).env("MLFLOW_TRACKING_URI", "databricks");
        variables.iter().fold(project, |project: Project, (name, value)| {
            project.env(name, value)
        })
    };
    let host = ("DATABRICKS_HOST", fake.url());
    for (variables, expected) in [
        (
            &[][..],
            "caused by: there are no credentials for Databricks: the environment has no DATABRICKS_HOST; the file <sandbox>/home/.databrickscfg does not exist",
        ),
        (
            &[host, ("DATABRICKS_TOKEN", "dapiwrong0geheim")],
            "caused by: /api/2.0/dbfs/get-status answered 403: Invalid access token.\nhint: the workspace did not accept the credentials from DATABRICKS_TOKEN",
        ),
        (
            &[
                host,
                ("DATABRICKS_CLIENT_ID", CLIENT.0),
                ("DATABRICKS_CLIENT_SECRET", "falsch0geheim"),
            ],
            "caused by: no access token for DATABRICKS_CLIENT_SECRET: invalid_client: Client authentication failed",
        ),
        (
            &[
                host,
                ("DATABRICKS_USERNAME", "user@example.com"),
                ("DATABRICKS_PASSWORD", "falsch0geheim"),
            ],
            "caused by: /api/2.0/dbfs/get-status answered 401: Invalid username or password.",
        ),
        (
            &[
                host,
                ("DATABRICKS_TOKEN", TOKEN),
                ("ALL_PROXY", "socks5://pat:geheim@localhost:1080"),
            ],
            "hint: use an http:// proxy, or name the server's host in NO_PROXY",
        ),
        (
            &[
                ("DATABRICKS_HOST", "https://localhost"),
                ("DATABRICKS_TOKEN", TOKEN),
                ("REQUESTS_CA_BUNDLE", "/no/such/file"),
            ],
            "caused by: cannot read REQUESTS_CA_BUNDLE '/no/such/file'\n",
        ),
    ] {
        let project = with(variables);
        let finished = run(&project, &[]);
        finished.expect_code(1);
        let text = project.sandbox().anonymous(finished.stderr());
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("geheim"), "{text}");
        assert!(!text.contains("Run (ID"), "a run was created: {text}");
    }
}

#[test]
fn a_message_of_the_service_never_shows_the_token() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let message = format!("cannot do it with {TOKEN}");
    fake.fail(Fault::answer(
        "POST /jobs/runs/submit",
        1,
        400,
        "BAD_REQUEST",
        &message,
    ));
    let project = project(&fake);
    let finished = run(&project, &[]);
    finished.expect_code(1);
    assert!(
        finished
            .stderr()
            .contains("answered BAD_REQUEST: cannot do it with ****"),
        "{}",
        finished.stderr()
    );
    assert!(!finished.stderr().contains(TOKEN), "{}", finished.stderr());
    let run = recorded(&finished);
    assert!(run.tags.values().all(|value| !value.contains(TOKEN)));
}

#[test]
fn access_tokens_are_renewed_while_a_job_goes_on() {
    let Some(fake) = workspace(long_job()) else {
        return;
    };
    // The third question about the job comes with a token that has expired; later ones, and the tracking
    // store, get along with the new one.
    fake.fail(Fault::answer("GET /jobs/runs/get", 1, 401, "UNAUTHENTICATED", "ExpiredToken").after(2));
    let project = anonymous_project(&fake)
        .env("MLFLOW_TRACKING_URI", "databricks")
        .env("DATABRICKS_HOST", fake.url())
        .env("DATABRICKS_CLIENT_ID", CLIENT.0)
        .env("DATABRICKS_CLIENT_SECRET", CLIENT.1);
    let finished = run(&project, &["--wait"]);
    finished.expect_code(0);
    assert_eq!(recorded(&finished).status, "FINISHED");
}

#[test]
fn a_token_that_was_replaced_in_the_file_is_found() {
    let Some(fake) = workspace(long_job()) else {
        return;
    };
    let old = "dapi0old0geheim";
    fake.accept_token(old);
    let project = anonymous_project(&fake).env("MLFLOW_TRACKING_URI", "databricks://dev");
    let write = |token: &str| {
        let text = format!("[dev]\nhost = {}\ntoken = {token}\n", fake.url());
        project.sandbox().write("../home/.databrickscfg", text);
    };
    write(old);
    let is_asked = || {
        let requests = fake.requests();
        let questions = requests
            .iter()
            .filter(|request| request.path.ends_with("runs/get"));
        questions.count() >= 3
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("questions about the job", is_asked);
            write(TOKEN);
            fake.revoke_token(old);
        });
        let finished = run(&project, &["--wait"]);
        finished.expect_code(0);
        assert_eq!(recorded(&finished).status, "FINISHED");
        assert!(!finished.stderr().contains("geheim"));
    });
}

#[test]
fn an_expired_token_that_nobody_replaces_leaves_the_job_alone() {
    let Some(fake) = workspace(long_job()) else {
        return;
    };
    fake.fail(Fault::answer("GET /jobs/runs/get", 99, 403, "403", "Invalid access token.").after(3));
    let project = project(&fake);
    let finished = run(&project, &["--wait"]);
    finished.expect_code(1);
    let text = finished.stderr();
    assert!(
        text.contains("cannot ask how the Databricks job run 9000000001 stands; it may go on"),
        "{text}"
    );
    assert!(
        text.contains("the workspace did not accept the credentials from DATABRICKS_TOKEN"),
        "{text}"
    );
    // The job goes on, so that the run does too.
    let run_id = super::run_id_of_job(&fake);
    assert_eq!(super::stored(&run_id).status, "RUNNING");
}

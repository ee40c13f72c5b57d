//! Credentials that are missing, wrong, or expire.

use fake_databricks::{CLIENT, Fault, JobState, Settings, TOKEN};

use super::{anonymous_project, project, recorded, run, workspace};
use crate::harness::running::wait_until;
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Project, assert_contains, assert_lacks};

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
            "caused by: no Databricks credentials found: the environment has no DATABRICKS_HOST; the file <sandbox>/home/.databrickscfg does not exist",
        ),
        (
            &[host, ("DATABRICKS_TOKEN", "dapiwrong0geheim")],
            "caused by: /api/2.0/dbfs/get-status returned 403: Invalid access token.\nhint: check the credentials from DATABRICKS_TOKEN",
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
            "caused by: /api/2.0/dbfs/get-status returned 401: Invalid username or password.",
        ),
        (
            &[
                host,
                ("DATABRICKS_TOKEN", TOKEN),
                ("ALL_PROXY", "socks5://pat:geheim@localhost:1080"),
            ],
            "hint: use an http:// proxy, or add the server's host to NO_PROXY",
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
        let finished = run(&project, &[]).with_code(1);
        let text = project.sandbox().anonymous(finished.stderr());
        assert_contains(&text, expected);
        assert_lacks(&text, "geheim");
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
    let finished = run(&project, &[]).with_code(1);
    assert_contains(finished.stderr(), "returned BAD_REQUEST: cannot do it with ****");
    assert_lacks(finished.stderr(), TOKEN);
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
    let finished = run(&project, &["--wait"]).with_code(0);
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
        let finished = run(&project, &["--wait"]).with_code(0);
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
    let finished = run(&project, &["--wait"]).with_code(1);
    let text = finished.stderr();
    assert_contains(
        text,
        "cannot get the state of Databricks job run 9000000001; it may still be running",
    );
    assert_contains(text, "check the credentials from DATABRICKS_TOKEN");
    // The job goes on, so that the run does too.
    let run_id = super::run_id_of_job(&fake);
    assert_eq!(super::stored(&run_id).status, "RUNNING");
}

const PROFILES: &str = r"[DEFAULT]
host = https://default
token = geheim1
[dev]
host = dev.example.com
[m2m]
host = https://m2m/
client_id = id
[azure]
host = https://azure
auth_type = azure-cli
[half]
host = https://half
auth_type = oauth-m2m
client_id = geheim2
";

#[test]
fn a_workspace_that_is_not_named_well_is_told() {
    let token = ("DATABRICKS_TOKEN", "geheim");
    let write = "hint: use databricks, databricks://PROFILE or databricks://SCOPE:KEY";
    for (uri, variables, expected) in [
        (
            "databricks://dev",
            &[][..],
            "no Databricks credentials found: the profile 'dev' in <sandbox>/home/.databrickscfg has no token, client_id with client_secret, or username with password\nhint: ",
        ),
        (
            "databricks://def",
            &[],
            "no Databricks profile 'def' in <sandbox>/home/.databrickscfg; its profiles are: DEFAULT, dev, m2m, azure, half\nhint: ",
        ),
        (
            "databricks://dev",
            &[("DATABRICKS_CONFIG_FILE", "/nowhere/cfg")],
            "no Databricks profile 'dev': /nowhere/cfg does not exist\nhint: ",
        ),
        (
            "databricks://azure",
            &[],
            "the profile 'azure' in <sandbox>/home/.databrickscfg has the unsupported auth_type 'azure-cli'\nhint: ",
        ),
        (
            "databricks://half",
            &[],
            "the profile 'half' in <sandbox>/home/.databrickscfg has the auth_type 'oauth-m2m', which needs a client_id and a client_secret\nhint: ",
        ),
        (
            "databricks",
            &[("DATABRICKS_HOST", "ftp://u:geheim@host"), token],
            "the workspace address 'ftp://host' from the environment is not an https:// address\nhint: ",
        ),
        (
            "databricks",
            &[
                ("DATABRICKS_HOST", "https://host"),
                ("DATABRICKS_TOKEN", "geheim\nx"),
            ],
            "the credentials from DATABRICKS_TOKEN contain a line break or another invalid character\nhint: ",
        ),
        (
            "databricks://",
            &[],
            "the tracking URI 'databricks://' has an empty profile, scope or key\n",
        ),
        (
            "databricks:/dev",
            &[],
            "the tracking URI 'databricks:/dev' has an empty profile, scope or key\n",
        ),
        ("databricks://dev:", &[], write),
        (
            "databricks://a:b:c:d",
            &[],
            "has more parts than a profile, a scope and a key\n",
        ),
        (
            "databricks-uc",
            &[],
            "tracking stores of the kind 'databricks-uc' are not supported",
        ),
    ] {
        let project = Project::new().command("echo").env("MLFLOW_TRACKING_URI", uri);
        let project = variables
            .iter()
            .fold(project, |project, (name, value)| project.env(name, value));
        project.sandbox().write("../home/.databrickscfg", PROFILES);
        let finished = project.run(["--experiment-name", "/e"]).with_code(1);
        let text = project.sandbox().anonymous(finished.stderr());
        assert!(text.contains(expected), "{uri}: {text}");
        assert_lacks(&text, "geheim");
    }
}

#[test]
fn an_address_from_a_browser_names_the_workspace() {
    let server = ScriptedServer::start(vec![Step::json(403, "{}")]);
    let project = Project::new()
        .command("echo")
        .env("MLFLOW_TRACKING_URI", "databricks://dev/");
    let profile = format!("[dev]\nhost = {}/browse?o=42#a\ntoken = geheim\n", server.url());
    project.sandbox().write("../home/.databrickscfg", profile);
    project.run(["--experiment-name", "/e"]).expect_code(1);
    let seen = &server.seen()[0];
    assert_eq!(
        seen.line(),
        "GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=%2Fe"
    );
    assert_eq!(seen.header("x-databricks-org-id"), "42");
    assert_eq!(seen.header("authorization"), "Bearer geheim");
}

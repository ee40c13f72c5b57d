//! `mlrun run` in jobs of a real Slurm: whatever ends a job ends its run too, and many jobs at once share
//! an environment and a store.

mod cluster;

use std::collections::BTreeSet;

use cluster::{Cluster, Job};

use crate::environment::tiny_project;
use crate::harness::running::{assert_nothing_lives, statuses, tree, wait_until};
use crate::harness::{Project, StoreContents, assert_contains, require_program};

const RUN: &str = "mlrun run project --env-manager local";

/// The project with `mlrun` on its PATH.
fn with_mlrun(project: Project) -> Project {
    let sandbox = project.sandbox();
    sandbox.link_program("mlrun", std::path::Path::new(env!("CARGO_BIN_EXE_mlrun")));
    sandbox.link_program("srun", &require_program("srun").unwrap());
    project
}

fn wait_for_entry_point(project: &Project, job: &Job<'_>) {
    let ready = project.sandbox().work().join("project/ready");
    wait_until("the entry point's start", || {
        ready.exists() || panic_if_ended(job)
    });
}

fn panic_if_ended(job: &Job<'_>) -> bool {
    let state = job.shown("JobState");
    assert!(
        ["PENDING", "RUNNING"].contains(&state.as_str()),
        "{state}\n{}",
        job.log()
    );
    false
}

#[test]
fn a_cancelled_job_ends_its_run_and_all_processes() {
    let Some(cluster) = Cluster::shared() else { return };
    for (prefix, options, state) in [
        // Some times, since Slurm signals one process after the other.
        ("", &[][..], "CANCELLED"),
        ("", &[], "CANCELLED"),
        ("", &[], "CANCELLED"),
        ("exec ", &[], "CANCELLED"),
        ("srun ", &[], "CANCELLED"),
        // Only the first process, the only one that Slurm signals if it uses cgroups.
        ("exec ", &["--batch", "--signal=TERM"], "FAILED"),
    ] {
        let project = with_mlrun(tree());
        let job = cluster.submit(&project, &[], &format!("{prefix}{RUN}"));
        wait_for_entry_point(&project, &job);
        job.cancel(options);
        assert_eq!(job.wait(), state, "{}", job.log());
        // Without `exec` or `srun` the job is over when its shell is, and mlrun a little later.
        assert_nothing_lives(&project);
        assert_eq!(
            statuses(&project),
            ["KILLED"],
            "{prefix}{options:?} {}",
            job.log()
        );
        let is_warned = job.log().contains("Slurm signals only 'slurm_script' (process ");
        assert_eq!(is_warned, prefix.is_empty(), "{}", job.log());
    }
}

#[test]
fn a_job_at_its_time_limit_ends_its_run() {
    let Some(cluster) = Cluster::shared() else { return };
    let project = with_mlrun(tree());
    let job = cluster.submit(&project, &["--time=5"], &format!("exec {RUN}"));
    wait_for_entry_point(&project, &job);
    // Limits are whole minutes; the end may be set.
    job.update("EndTime=now+1");
    assert_eq!(job.wait(), "TIMEOUT", "{}", job.log());
    assert_nothing_lives(&project);
    assert_eq!(statuses(&project), ["KILLED"], "{}", job.log());
    assert_contains(&job.log(), "interrupted by SIGTERM ===");
}

#[test]
fn a_job_is_told_before_its_time_limit() {
    let Some(cluster) = Cluster::shared() else { return };
    let project = with_mlrun(tree());
    // The signal is due at once: the limit is that close.
    let options = ["--time=1", "--signal=B:TERM@60"];
    let job = cluster.submit(&project, &options, &format!("exec {RUN}"));
    wait_for_entry_point(&project, &job);
    assert_eq!(job.wait(), "FAILED", "{}", job.log());
    assert_eq!(job.shown("ExitCode"), "143:0");
    assert_nothing_lives(&project);
    assert_eq!(statuses(&project), ["KILLED"], "{}", job.log());
}

/// `KillWait` of the cluster is shorter than the time that mlrun gives to an entry point.
#[test]
fn a_run_whose_entry_point_does_not_end_is_marked_before_slurm_kills() {
    let Some(cluster) = Cluster::shared() else { return };
    let project =
        with_mlrun(Project::new().command("trap '' TERM; touch ready; while :; do sleep 0.1; done"));
    let job = cluster.submit(&project, &[], &format!("exec {RUN}"));
    wait_for_entry_point(&project, &job);
    job.cancel(&[]);
    assert_eq!(job.wait(), "CANCELLED", "{}", job.log());
    assert_eq!(job.shown("ExitCode"), "0:9", "killed by SIGKILL");
    assert_nothing_lives(&project);
    assert_eq!(statuses(&project), ["KILLED"], "{}", job.log());
}

#[test]
fn a_preempted_job_is_requeued_and_runs_again() {
    let Some(cluster) = Cluster::shared() else { return };
    let project = with_mlrun(Project::new().command("test -e ready && exit 0; touch ready; sleep 1000"));
    // Both together are more than the node has.
    let options = ["--partition=low", "--cpus-per-task=100", "--requeue"];
    let job = cluster.submit(&project, &options, &format!("exec {RUN}"));
    wait_for_entry_point(&project, &job);
    let urgent_project = Project::new();
    let options = ["--partition=high", "--cpus-per-task=160"];
    let urgent = cluster.submit(&urgent_project, &options, "exit 0");
    assert_eq!(urgent.wait(), "COMPLETED");
    wait_until("the requeue", || job.shown("Restarts") == "1");
    assert_nothing_lives(&project);
    assert_eq!(statuses(&project), ["KILLED"], "{}", job.log());
    assert_contains(&job.log(), "DUE TO PREEMPTION");
    // Slurm would wait for two minutes.
    job.update("StartTime=now");
    assert_eq!(job.wait(), "COMPLETED", "{}", job.log());
    assert_eq!(statuses(&project), ["KILLED", "FINISHED"], "{}", job.log());
}

#[test]
fn fifty_array_tasks_share_an_environment_and_a_store() {
    let Some(cluster) = Cluster::shared() else { return };
    let Some(project) = tiny_project() else { return };
    let project = with_mlrun(project);
    let command = "exec mlrun run project --env-manager virtualenv -P task=$SLURM_ARRAY_TASK_ID";
    let job = cluster.submit(&project, &["--array=0-49", "--output=%a.log"], command);
    job.wait();
    let work = project.sandbox().work();
    let log = |task: usize| std::fs::read_to_string(work.join(format!("{task}.log"))).unwrap_or_default();
    let logs: Vec<String> = (0..50).map(log).collect();
    let contents = StoreContents::of_sqlite(&work.join("mlflow.db"));
    let statuses: Vec<&str> = contents.runs.iter().map(|run| run.status.as_str()).collect();
    assert_eq!(statuses, vec!["FINISHED"; 50], "{}", logs.join("\n---\n"));
    let tasks: BTreeSet<usize> = contents
        .runs
        .iter()
        .map(|run| run.params["task"].parse().unwrap())
        .collect();
    assert_eq!(tasks, (0..50).collect());
    let builds = logs
        .iter()
        .filter(|log| log.contains("Building environment"))
        .count();
    assert_eq!(builds, 1, "{}", logs.join("\n---\n"));
}

//! An API that fails in every possible way: the run continues, and no line is lost or repeated.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fake_kubernetes::{Action, Options, Server, Target};

use super::cluster::{ClusterProject, TEMPLATE};

const LINES: usize = 30;

/// A fault during a run, and how the run ends.
struct Case {
    name: &'static str,
    /// Comes before the run is started.
    before: fn(&Server),
    /// Comes after each of three parts of the log.
    during: fn(&Server),
    code: i32,
    says: &'static str,
}

const fn during(name: &'static str, during: fn(&Server)) -> Case {
    Case {
        name,
        before: |_| {},
        during,
        code: 0,
        says: "succeeded ===",
    }
}

const fn before(name: &'static str, before: fn(&Server), code: i32, says: &'static str) -> Case {
    Case {
        name,
        before,
        during: |_| {},
        code,
        says,
    }
}

const CASES: &[Case] = &[
    during("watches cut", |server| {
        server.fault(Target::Watch, Action::CutAfter(10), 3);
        server.restart(Duration::ZERO);
    }),
    during("watches ended", |server| {
        server.fault(Target::Watch, Action::EndAfter(200), 3);
        server.restart(Duration::ZERO);
    }),
    during("watches and lists refused by 429", |server| {
        server.fault(Target::Watch, Action::Status(429), 3);
        server.fault(Target::List, Action::Status(429), 3);
        server.restart(Duration::ZERO);
    }),
    during("watches and lists refused by 500", |server| {
        server.fault(Target::Watch, Action::Status(500), 3);
        server.fault(Target::List, Action::Status(500), 3);
        server.restart(Duration::ZERO);
    }),
    // As when its time is over, but at once.
    during("watches ended before they begin", |server| {
        server.fault(Target::Watch, Action::EndAfter(0), 20);
        server.restart(Duration::ZERO);
    }),
    during("watches refused because their version is too old", |server| {
        let too_old = Action::Refuse(410, "Expired", "too old resource version: 1 (2)");
        server.fault(Target::Watch, too_old, 6);
        server.restart(Duration::ZERO);
    }),
    // After a restore from a backup, or by another server that is behind.
    during(
        "watches refused because their version is not there yet",
        |server| {
            let too_new = Action::Refuse(504, "Timeout", "Too large resource version: 2, current: 1");
            server.fault(Target::Watch, too_new, 6);
            server.restart(Duration::ZERO);
        },
    ),
    during("watching forbidden meanwhile", |server| {
        server.fault(Target::Watch, Action::Status(403), 3);
        server.restart(Duration::ZERO);
    }),
    during("answers of a proxy", |server| {
        server.fault(Target::Any, Action::Proxy(502), 8);
        server.restart(Duration::ZERO);
    }),
    during("credentials refused for a moment", |server| {
        server.fault(Target::Any, Action::Status(401), 4);
        server.restart(Duration::ZERO);
    }),
    during("connections reset without an answer", |server| {
        server.fault(Target::Any, Action::Reset, 6);
        server.restart(Duration::ZERO);
    }),
    during("slow answers", |server| {
        server.fault(Target::Any, Action::Slow(Duration::from_millis(300)), 6);
        server.restart(Duration::ZERO);
    }),
    during("resource versions expired, watches open", Server::compact),
    during("resource versions expired, watches broken", |server| {
        server.restart(Duration::ZERO);
        server.compact();
    }),
    during("logs cut in the middle of a line", |server| {
        for bytes in [1, 45, 200, 333] {
            server.fault(Target::Log, Action::CutAfter(bytes), 1);
        }
        server.restart(Duration::ZERO);
    }),
    during("logs ended in the middle of a line", |server| {
        server.fault(Target::Log, Action::EndAfter(77), 2);
        server.restart(Duration::ZERO);
    }),
    during("logs refused", |server| {
        server.fault(Target::Log, Action::Status(500), 2);
        server.restart(Duration::ZERO);
    }),
    during("the API away for a second", |server| {
        server.restart(Duration::from_secs(1))
    }),
    before(
        "the check refused by 429, then taken",
        |server| server.fault(Target::Check, Action::Status(429), 2),
        0,
        "succeeded ===",
    ),
    before(
        "the check refused by 500",
        |server| server.fault(Target::Check, Action::Status(500), 1),
        1,
        "  caused by: Internal error occurred: etcdserver: leader changed\n",
    ),
    before(
        "the creation refused by 500, then taken",
        |server| server.fault(Target::Create, Action::Status(500), 2),
        0,
        "succeeded ===",
    ),
    before(
        "the creation carried out, its answer lost",
        |server| server.fault(Target::Create, Action::Reset, 1),
        0,
        "succeeded ===",
    ),
    before(
        "the creation carried out, a proxy's answer instead",
        |server| server.fault(Target::Create, Action::ProxyAfter(504), 1),
        0,
        "succeeded ===",
    ),
    before(
        "the creation's answer cut",
        |server| server.fault(Target::Create, Action::CutAfter(50), 1),
        0,
        "succeeded ===",
    ),
    before(
        "the creation forbidden",
        |server| server.fault(Target::Create, Action::Status(403), 1),
        1,
        "hint: the user or service account needs a role",
    ),
];

#[test]
fn every_fault_has_its_result() {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let cases: Vec<_> = CASES
            .iter()
            .map(|case| scope.spawn(|| failures_of(case)))
            .collect();
        cases.into_iter().flat_map(|case| case.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures_of(case: &Case) -> Vec<String> {
    let cluster = ClusterProject::new();
    let server = &cluster.server;
    (case.before)(server);
    let running = cluster.start(&[]);
    let mut expected = String::new();
    if case.code == 0 {
        let pod = server.pod(0);
        server.start_pod(&pod);
        for number in 0..LINES {
            let line = format!("line {number}");
            expected += &format!("{line}\n");
            server.log(&pod, &line);
            if number % (LINES / 3) == LINES / 6 {
                running.wait_for_stdout(&format!("line {}\n", number.saturating_sub(2)));
                (case.during)(server);
            }
        }
        server.end_pod(&pod, 0, "Completed");
        server.end_job(None);
    }
    let ended = running.end();
    let mut failures = Vec::new();
    let mut expect = |what: &str, is_right: bool| {
        if !is_right {
            failures.push(format!(
                "{}: {what}\n--- stdout\n{}--- stderr\n{}",
                case.name, ended.stdout, ended.stderr
            ));
        }
    };
    expect("exit code", ended.code == case.code);
    expect("text", ended.stderr.contains(case.says));
    expect("log", ended.stdout == expected);
    let is_checked = !case.name.starts_with("the check refused by 500");
    expect(
        "status",
        !is_checked || cluster.run().status == if case.code == 0 { "FINISHED" } else { "FAILED" },
    );
    expect("one Job", server.jobs().len() <= 1);
    failures
}

#[test]
fn watches_that_end_at_once_are_not_asked_for_again_and_again() {
    let cluster = ClusterProject::new();
    let server = &cluster.server;
    let begun = Instant::now();
    server.fault(Target::Watch, Action::EndAfter(0), 12);
    let running = cluster.start(&[]);
    server.wait_for("all watches are ended", |server| {
        (server.faults_left() == 0).then_some(())
    });
    let mut watches: HashMap<String, u64> = HashMap::new();
    for request in server.requests() {
        let query: Vec<&str> = request.query.split('&').collect();
        if query.contains(&"watch=true") {
            let of_one = |parameter: &&&str| parameter.contains("Selector=");
            let of_one: Vec<&str> = query.iter().filter(of_one).copied().collect();
            *watches.entry(request.path + &of_one.concat()).or_default() += 1;
        }
    }
    let most = begun.elapsed().as_secs() + 1;
    assert!(
        watches.values().all(|count| *count <= most),
        "{watches:?} in {most} s"
    );
    server.succeed(&["a line"]);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout, "a line\n");
}

#[test]
fn twenty_restarts_of_the_api_lose_and_repeat_no_line() {
    let cluster = ClusterProject::new();
    let server = &cluster.server;
    let running = cluster.start(&[]);
    let pod = server.pod(0);
    server.start_pod(&pod);
    let mut expected = String::new();
    let mut number = 0;
    let mut write = |count: usize| {
        for _ in 0..count {
            number += 1;
            // Every other line is like the one before.
            let line = format!("line {}", number / 2);
            server.log(&pod, &line);
            expected.push_str(&line);
            expected.push('\n');
        }
    };
    for restart in 0..20 {
        write(50);
        if restart % 2 == 0 {
            running.wait_for_stdout(&format!("line {}\n", restart * 30));
        }
        std::thread::scope(|scope| {
            scope.spawn(|| server.restart(Duration::from_millis(50)));
            write(10);
        });
    }
    write(5);
    server.end_pod(&pod, 0, "Completed");
    server.end_job(None);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout.lines().count(), 20 * 60 + 5);
    assert_eq!(ended.stdout, expected);
}

#[test]
fn a_container_that_is_started_again_is_read_on() {
    let template = TEMPLATE.replace("restartPolicy: Never", "restartPolicy: OnFailure");
    let cluster = ClusterProject::with(&template, Options::default());
    let server = &cluster.server;
    let running = cluster.start(&[]);
    let pod = server.pod(0);
    server.start_pod(&pod);
    let mut expected = String::new();
    for attempt in 0..4 {
        for number in 0..5 {
            let line = format!("attempt {attempt} line {number}");
            server.log(&pod, &line);
            expected += &format!("{line}\n");
        }
        if attempt < 3 {
            running.wait_for_stdout(&format!("attempt {attempt} line 1\n"));
            let fault = [None, Some(Action::Status(503)), Some(Action::CutAfter(10))][attempt];
            match fault {
                None => server.restart_container(&pod, 1),
                // What it writes last is then in the log of the container before, which is asked for in vain.
                Some(fault) => cluster.while_away(Duration::from_millis(300), || {
                    server.fault(Target::Log, fault, 2);
                    let line = format!("attempt {attempt} last line");
                    server.log(&pod, &line);
                    expected += &format!("{line}\n");
                    server.restart_container(&pod, 1);
                }),
            }
            let times = ["1 time", "2 times", "3 times"][attempt];
            running.wait_for_stderr(&format!("restarted ({times})\n"));
        }
    }
    server.end_pod(&pod, 0, "Completed");
    server.end_job(None);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout, expected);
}

#[test]
fn logs_that_may_not_be_read_are_no_reason_to_fail() {
    for (rules, says) in [
        (
            &["get pods/log"][..],
            "warning: cannot read the entry point's output: pods \"my-project-",
        ),
        (&["list pods"], "warning: cannot watch the Job's pods"),
        (&["watch pods", "watch jobs", "list events"], "Job started.\n"),
    ] {
        let options = Options {
            forbidden: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            ..Options::default()
        };
        let cluster = ClusterProject::with(TEMPLATE, options);
        let running = cluster.start(&[]);
        cluster.server.succeed(&["a line"]);
        running.end().expect_code(0).expect_stderr(says);
        assert_eq!(cluster.run().status, "FINISHED");
    }
}

//! The differential test: the real `mlflow run` and `mlrun` run the same small projects, and all
//! that a user or a script could see is compared: exit code, standard output, the command that was
//! executed, its environment and directory, the log lines that scripts look for, the files left
//! behind and the tracking store's contents. A difference fails the test unless the case names it
//! as one of mlrun's documented [`Deviation`]s and says what mlrun gives instead.
//!
//! `MLRUN_TEST_CASE=TEXT` runs only the cases whose names contain the text, `MLRUN_TEST_SHOW=1`
//! prints what both programs gave.

mod attempt;
mod case;
mod cases;
mod compare;
mod deviation;
mod fields;

use case::{Case, case};
use deviation::Deviation;

/// One test a group of cases, so that groups run side by side.
macro_rules! groups {
    ($($group:ident)*) => {
        $(#[test]
        fn $group() {
            compare::compare_all(&cases::$group::cases());
        })*

        /// The reference answers from forks of one process; here it must do what a process that
        /// was started for the case does.
        #[test]
        fn the_reference_in_a_fork_is_the_program_itself() {
            let all = [$(cases::$group::cases()),*].concat();
            compare::compare_forks(all.iter().filter(|case| case.also_in_a_process));
        }

        #[test]
        fn case_names_are_unique() {
            let mut names: Vec<_> = [$(cases::$group::cases()),*].concat().iter().map(|case| case.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "two cases have the same name");
        }
    };
}

groups! {
    commands
    entry_points
    experiments
    git
    parameters
    real_files
    sources
    stores
    usage
    yaml
}

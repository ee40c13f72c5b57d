//! The numbers that MLflow's protocol and its file store give the states of a run.

use crate::entities::RunStatus;

const NUMBERS: [(u8, RunStatus); 5] = [
    (1, RunStatus::Running),
    (2, RunStatus::Scheduled),
    (3, RunStatus::Finished),
    (4, RunStatus::Failed),
    (5, RunStatus::Killed),
];

/// The number of a state.
pub(super) fn of(status: RunStatus) -> u8 {
    let known = NUMBERS.iter().find(|(_, other)| *other == status);
    known.expect("every state has its number").0
}

/// The state with a number, if there is one.
pub(super) fn status(number: i64) -> Option<RunStatus> {
    let known = NUMBERS.iter().find(|(other, _)| i64::from(*other) == number);
    known.map(|(_, status)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_the_number_of_mlflow_s_protocol() {
        for (number, name) in [
            (1, "RUNNING"),
            (2, "SCHEDULED"),
            (3, "FINISHED"),
            (4, "FAILED"),
            (5, "KILLED"),
        ] {
            let status = status(number).unwrap();
            assert_eq!(status.as_str(), name);
            assert_eq!(i64::from(of(status)), number);
        }
        assert_eq!(status(0), None);
        assert_eq!(status(6), None);
    }
}

//! What came of the cases, and the lines that say so.

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every output and gradient is within its tolerance.
    Passed,
    /// One is not, or the engine panicked: why.
    Failed(String),
    /// What the runner does not know.
    Unknown(String),
    /// A result with NaN or infinities, on a device that may assume there are none.
    Skipped,
}

/// The outcomes of a folder.
#[derive(Clone, Debug, Default)]
pub struct Report {
    outcomes: Vec<(String, Outcome)>,
}

impl Report {
    pub(super) fn add(&mut self, case: &str, outcome: Outcome) {
        self.outcomes.push((case.into(), outcome));
    }

    /// Every case with its outcome, in the manifest's order.
    pub fn outcomes(&self) -> &[(String, Outcome)] {
        &self.outcomes
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.count(|o| matches!(o, Outcome::Failed(_)))
    }

    /// How many are unknown.
    pub fn unknown(&self) -> usize {
        self.count(|o| matches!(o, Outcome::Unknown(_)))
    }

    fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|(_, o)| is(o)).count()
    }

    /// A line for each case that failed or is unknown.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.outcomes.iter().filter_map(|(case, outcome)| match outcome {
            Outcome::Failed(why) => Some(format!("failed   {case}: {why}")),
            Outcome::Unknown(what) => Some(format!("unknown  {case}: {what}")),
            Outcome::Passed | Outcome::Skipped => None,
        })
    }

    /// `N passed, N failed, N unknown`, and `, N skipped` if some were.
    pub fn summary(&self) -> String {
        let passed = self.count(|o| *o == Outcome::Passed);
        let skipped = match self.count(|o| *o == Outcome::Skipped) {
            0 => String::new(),
            n => format!(", {n} skipped"),
        };
        format!("{passed} passed, {} failed, {} unknown{skipped}", self.failed(), self.unknown())
    }
}

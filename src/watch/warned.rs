//! What was warned of before, so that a warning is said when it is new, also after a pass that changed nothing.

use std::collections::BTreeSet;

use crate::model::diagnostic::Diagnostic;

/// The messages of the last pass.
#[derive(Default)]
pub struct Warned(BTreeSet<String>);

impl Warned {
    /// Takes note of those of a pass. Whether there is one that the pass before had not.
    pub fn note(&mut self, found: &[Diagnostic]) -> bool {
        let now: BTreeSet<String> = found.iter().map(|found| found.message.clone()).collect();
        let is_news = !now.is_subset(&self.0);
        self.0 = now;
        is_news
    }
}

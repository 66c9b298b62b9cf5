//! The states before the last runs that changed something: a file of lines, the oldest first, each a document in JSON.
//!
//! It is replaced as a whole, so that a run that is killed leaves the old file or the new one.

use std::io;

use crate::linux::clock;
use crate::model::{Beginning, PastState, State, Step, escaped_path};

use super::{RunDir, head};

/// The kind of the file.
const KIND: &str = "history";

/// How many states are shown.
const SHOWN: usize = 10;

/// The longest that the file gets, in bytes: ten states of 255 endpoints each take less. If they take more, the oldest go.
const LENGTH_MAX: u64 = 2 * 1024 * 1024;

impl RunDir {
    /// The states before the last runs that changed something, the latest first. A line that another version of this
    /// program wrote, and that cannot be read, is left out.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of this program's, or when nothing of what this boot wrote makes sense.
    pub fn history(&self) -> io::Result<Vec<PastState>> {
        let Some(text) = self.history_text()? else { return Ok(Vec::new()) };
        let lines = lines_of_this_boot(&text)?;
        let past = lines.iter().rev().take(SHOWN).filter_map(|line| serde_json::from_str(line).ok());
        let past: Vec<PastState> = past.collect();
        let of_boot = text.split_once('\n').filter(|(first, _)| first.starts_with("boot "));
        let says_something = text.strip_prefix(head()?).is_some_and(|rest| !rest.is_empty());
        if of_boot.is_none() || (past.is_empty() && says_something) {
            let path = self.file(KIND);
            let path = escaped_path(&path);
            return Err(io::Error::other(format!(
                "{path} is damaged, or of another version of this program"
            )));
        }
        Ok(past)
    }

    pub(super) fn append_history(&self, run: &Beginning<'_>) -> io::Result<()> {
        let past = PastState {
            time: clock::now(),
            by: run.by,
            pid: std::process::id(),
            steps: run.steps.iter().map(Step::to_string).collect(),
            before: run.before.clone(),
            names: run.names.clone(),
        };
        let mut lines = self.history_lines()?;
        lines.push(serde_json::to_string(&past)? + "\n");
        // One more than is shown: if this run puts everything back, its line goes again.
        let head = head()?;
        let mut left = LENGTH_MAX.saturating_sub(head.len() as u64);
        let fits = |line: &&String| {
            let length = line.len() as u64;
            let fits = length <= left;
            left = left.saturating_sub(length);
            fits
        };
        let kept = lines.iter().rev().take(SHOWN + 1).take_while(fits).count();
        self.replace(KIND, &(head.to_owned() + &lines[lines.len() - kept..].concat()))
    }

    pub(super) fn shorten_history(&self, before: &State) -> io::Result<()> {
        let mut lines = self.history_lines()?;
        let last = lines.pop().and_then(|line| serde_json::from_str::<PastState>(&line).ok());
        if last.is_some_and(|last| last.before == *before) {
            self.replace(KIND, &(head()?.to_owned() + &lines.concat()))?;
        }
        Ok(())
    }

    /// The lines of this boot, the oldest first.
    fn history_lines(&self) -> io::Result<Vec<String>> {
        self.history_text()?.map_or_else(|| Ok(Vec::new()), |text| lines_of_this_boot(&text))
    }

    fn history_text(&self) -> io::Result<Option<String>> {
        self.read_at_most(LENGTH_MAX, KIND, RunDir::is_own_or_roots)
    }
}

fn lines_of_this_boot(text: &str) -> io::Result<Vec<String>> {
    let head = head()?;
    let lines = text.strip_prefix(head).unwrap_or("").split_inclusive('\n');
    // One that has lost its end is of no use.
    Ok(lines.filter(|line| line.ends_with('\n')).map(str::to_owned).collect())
}

//! A finding: what is wrong, by which evidence, what follows from it, and what to do.

use crate::model::code::Code;
use crate::model::diagnostic::Location;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingSeverity {
    /// Something does not work now.
    Fault,
    /// Something looks odd, or failed earlier.
    Hint,
}

impl FindingSeverity {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            FindingSeverity::Fault => "fault",
            FindingSeverity::Hint => "hint",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable word for programs.
    pub code: Code,
    /// Faults make the exit code 1, hints do not.
    pub severity: FindingSeverity,
    /// What is wrong, in one line.
    pub title: String,
    /// What shows it: exact numbers, and the names of counters, sysctls and commands.
    pub evidence: String,
    /// What follows from it for connections.
    pub meaning: String,
    /// What to do: commands or YAML, a line each.
    pub remedy: String,
    /// The name of the endpoint that is concerned, or its address where it has no name.
    pub endpoint: Option<String>,
    /// Where that endpoint is declared.
    pub location: Option<Location>,
}

impl Finding {
    /// A finding about something that does not work now.
    pub fn fault(code: Code, title: impl Into<String>) -> Finding {
        Finding {
            code,
            severity: FindingSeverity::Fault,
            title: title.into(),
            evidence: String::new(),
            meaning: String::new(),
            remedy: String::new(),
            endpoint: None,
            location: None,
        }
    }

    /// A finding about something that looks odd.
    pub fn hint(code: Code, title: impl Into<String>) -> Finding {
        Finding::fault(code, title).severity(FindingSeverity::Hint)
    }

    /// Sets the severity.
    pub fn severity(self, severity: FindingSeverity) -> Finding {
        Finding { severity, ..self }
    }

    /// Sets the evidence.
    pub fn evidence(self, evidence: impl Into<String>) -> Finding {
        Finding { evidence: evidence.into(), ..self }
    }

    /// Sets the meaning.
    pub fn meaning(self, meaning: impl Into<String>) -> Finding {
        Finding { meaning: meaning.into(), ..self }
    }

    /// Sets the remedy.
    pub fn remedy(self, remedy: impl Into<String>) -> Finding {
        Finding { remedy: remedy.into(), ..self }
    }

    /// Sets the endpoint, by its label.
    pub fn endpoint(self, endpoint: String) -> Finding {
        Finding { endpoint: Some(endpoint), ..self }
    }
}

/// Evidence of steps that applying would take: the first three of them.
pub fn applying_would(steps: &[String]) -> String {
    const SHOWN: usize = 3;
    let more = steps.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("applying would {}{more}", steps[..steps.len().min(SHOWN)].join("; "))
}

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

/// One word, quoted for a shell where it has to be. The name of an interface or a file must not become a command in a
/// remedy, nor an escape sequence on a terminal.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(char::is_control) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let escaped = |byte: u8| match byte {
        b' '..=b'~' if byte != b'\'' && byte != b'\\' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("$'{}'", word.bytes().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for (word, expected) in [
            ("eth0.100", "eth0.100"),
            ("", "''"),
            ("a b", "'a b'"),
            ("x;reboot", "'x;reboot'"),
            ("it's", "'it'\\''s'"),
            ("a\x1b[2J'\\", "$'a\\x1b[2J\\x27\\x5c'"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }
}

//! What the doctor says.

use crate::model::code::Code;
use crate::model::diagnostic::Location;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingSeverity {
    /// Something does not work now.
    Fault,
    /// Something looks odd, or went wrong at some time.
    Hint,
}

impl FindingSeverity {
    /// As reports write it.
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
    /// How bad it is.
    pub severity: FindingSeverity,
    /// What is wrong, in one line.
    pub title: String,
    /// What it was seen by: the very numbers.
    pub evidence: String,
    /// What follows from it.
    pub meaning: String,
    /// What to do: commands or YAML, a line each.
    pub remedy: String,
    /// The name of the endpoint that it is about, or its address where it has no name.
    pub endpoint: Option<String>,
    /// Where that is declared.
    pub location: Option<Location>,
}

impl Finding {
    /// Something that does not work now.
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

    /// Something that looks odd.
    pub fn hint(code: Code, title: impl Into<String>) -> Finding {
        Finding::fault(code, title).of(FindingSeverity::Hint)
    }

    /// Sets how bad it is.
    pub fn of(self, severity: FindingSeverity) -> Finding {
        Finding { severity, ..self }
    }

    /// Sets what it was seen by.
    pub fn evidence(self, evidence: impl Into<String>) -> Finding {
        Finding { evidence: evidence.into(), ..self }
    }

    /// Sets what follows from it.
    pub fn meaning(self, meaning: impl Into<String>) -> Finding {
        Finding { meaning: meaning.into(), ..self }
    }

    /// Sets what to do.
    pub fn remedy(self, remedy: impl Into<String>) -> Finding {
        Finding { remedy: remedy.into(), ..self }
    }

    /// Sets the endpoint, by its label.
    pub fn about(self, endpoint: String) -> Finding {
        Finding { endpoint: Some(endpoint), ..self }
    }
}

/// A word as a shell takes it. Whoever names an interface or a file is not to write commands for whoever copies a remedy,
/// nor to speak to his terminal.
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

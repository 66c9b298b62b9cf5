//! The one table of exit codes.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The kernel is as desired; valid; shown; nothing to do.
    Success,
    /// Applying failed and everything was put back.
    Failed,
    /// With `--detailed-exitcode`: the plan was not empty.
    Changed,
    /// Applying failed and putting back failed too.
    Inconsistent,
    /// `try` took the change back.
    TakenBack,
    /// The kernel lacks what the configuration needs; nothing was changed.
    Unsupported,
    /// Usage.
    Usage,
    /// There is no input file.
    NoInput,
    /// Another run holds the lock.
    Locked,
    /// Not permitted.
    NotPermitted,
    /// The configuration is invalid.
    Invalid,
}

impl Exit {
    /// The number; those from 64 on are those of `sysexits.h`.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Changed => 2,
            Exit::Inconsistent => 3,
            Exit::TakenBack => 4,
            Exit::Unsupported => 5,
            Exit::Usage => 64,
            Exit::NoInput => 66,
            Exit::Locked => 75,
            Exit::NotPermitted => 77,
            Exit::Invalid => 78,
        }
    }
}

impl Exit {
    /// Of two exits the one that matters more: what is broken, what could not start, what could not be had, and then
    /// what went well.
    pub fn worse(self, other: Exit) -> Exit {
        const ORDER: [Exit; 11] = [
            Exit::Success,
            Exit::Changed,
            Exit::TakenBack,
            Exit::Locked,
            Exit::NoInput,
            Exit::Usage,
            Exit::Invalid,
            Exit::NotPermitted,
            Exit::Unsupported,
            Exit::Failed,
            Exit::Inconsistent,
        ];
        let rank = |exit| ORDER.iter().position(|other| *other == exit);
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        exit.code().into()
    }
}

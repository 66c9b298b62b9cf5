//! The one table of exit codes.

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
    /// All of them, by number.
    pub const ALL: [Exit; 11] = [
        Exit::Success,
        Exit::Failed,
        Exit::Changed,
        Exit::Inconsistent,
        Exit::TakenBack,
        Exit::Unsupported,
        Exit::Usage,
        Exit::NoInput,
        Exit::Locked,
        Exit::NotPermitted,
        Exit::Invalid,
    ];

    /// The number; those from 64 on are those of `sysexits.h`.
    pub fn code(self) -> u8 {
        self.row().0
    }

    /// The meaning, for the help and the manual page. What is typed is in backticks.
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (u8, &'static str) {
        match self {
            Exit::Success => (0, "the kernel is as desired; valid; printed; nothing to do"),
            Exit::Failed => (1, "applying failed, and everything was put back; `doctor` found a fault"),
            Exit::Changed => (2, "only with `--detailed-exitcode`: the plan was not empty"),
            Exit::Inconsistent => {
                (3, "applying failed, and putting back failed too; what differs is printed")
            }
            Exit::TakenBack => (4, "`try` took the change back"),
            Exit::Unsupported => (5, "this kernel lacks what the configuration needs; nothing was changed"),
            Exit::Usage => (64, "wrong usage"),
            Exit::NoInput => (66, "no input file"),
            Exit::Locked => (75, "another run holds the lock"),
            Exit::NotPermitted => (77, "not permitted"),
            Exit::Invalid => (78, "the configuration is invalid"),
        }
    }
}

impl Exit {
    /// The more serious of two: an inconsistent state first, then failures, then what could not start, then success.
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

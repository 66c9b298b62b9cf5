//! What differs between the kernels that the model stands for.

use mptcp_apply::model::{Capabilities, Flags};
use mptcp_apply::system::{Errno, Refusal};

/// One kernel's path manager, as far as it differs from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major and minor version.
    pub release: (u32, u32),
    /// `MPTCP_PM_ADDR_MAX` and the most that a limit can be.
    pub capabilities: Capabilities,
    /// The flags that it knows. It drops others without a word, but for stable kernels before that change, which
    /// store and show whatever they get.
    pub known: Flags,
}

const NAMED_BY_6_12: Flags = Flags::from_bits(0x1f);
const NAMED_BY_6_18: Flags = Flags::from_bits(0x3f);
const EVERYTHING: Flags = Flags::from_bits(u32::MAX);

impl Version {
    /// Debian 12. It answers EINVAL to every addition that the table has no place for.
    pub const V6_1: Version =
        Version { release: (6, 1), capabilities: Capabilities::SMALL, known: NAMED_BY_6_12 };
    /// A stable kernel that keeps flags which it does not know.
    pub const V6_6: Version =
        Version { release: (6, 6), capabilities: Capabilities::SMALL, known: EVERYTHING };
    /// Debian 13.
    pub const V6_12: Version =
        Version { release: (6, 12), capabilities: Capabilities::SMALL, known: NAMED_BY_6_12 };
    /// The first with laminar.
    pub const V6_18: Version =
        Version { release: (6, 18), capabilities: Capabilities::SMALL, known: NAMED_BY_6_18 };
    /// The first with a large table.
    pub const V7_2: Version =
        Version { release: (7, 2), capabilities: Capabilities::LARGE, known: NAMED_BY_6_18 };

    /// All of them.
    pub const ALL: [Version; 5] =
        [Version::V6_1, Version::V6_6, Version::V6_12, Version::V6_18, Version::V7_2];

    /// The one that a kernel of this release is like.
    pub fn of(release: (u32, u32)) -> Version {
        let not_newer = |version: &&Version| version.release <= release;
        Version { release, ..*Version::ALL.iter().rfind(not_newer).unwrap_or(&Version::V6_1) }
    }

    /// The same with a table of this size.
    pub fn with_table_of(self, endpoints_max: usize) -> Version {
        Version { capabilities: Capabilities { endpoints_max, ..self.capabilities }, ..self }
    }

    /// The table has no place for an addition.
    pub fn no_place(self, errno: Errno) -> Refusal {
        let words = "too many addresses or duplicate one";
        if self.release < (6, 6) {
            refusal(Errno::EINVAL, words)
        } else {
            refusal(errno, &format!("{words}: -{}", errno as i32))
        }
    }

    /// The kernel cannot listen on the port of an endpoint.
    pub fn not_listening(self, errno: Errno) -> Refusal {
        let words = "create listen socket error";
        if self.release < (6, 6) {
            refusal(errno, words)
        } else {
            refusal(errno, &format!("{words}: -{}", errno as i32))
        }
    }

    /// A limit is too large.
    pub fn limit_too_large(self) -> Refusal {
        let words = "limit greater than maximum";
        if self.release < (6, 18) {
            refusal(Errno::EINVAL, words)
        } else {
            refusal(Errno::EINVAL, &format!("{words} ({})", self.capabilities.limits_max))
        }
    }

    /// Flags cannot be set; older kernels do not say why.
    pub fn flags_refused(self, words: &str) -> Refusal {
        if self.release < (6, 12) { Refusal::new(Errno::EINVAL) } else { refusal(Errno::EINVAL, words) }
    }
}

/// A refusal with these words.
pub fn refusal(errno: Errno, words: &str) -> Refusal {
    Refusal { text: Some(words.to_owned()), ..Refusal::new(errno) }
}

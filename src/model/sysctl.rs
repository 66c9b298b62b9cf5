//! The `net.mptcp.*` sysctls that can be set: one table of names, kinds and ranges.

#[cfg(test)]
mod tests;

use std::fmt;

/// One of the settable sysctls: an index into the table. Files have its name, since the table grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub struct Sysctl(u8);

/// The values that a sysctl takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysctlKind {
    /// 0 or 1; a configuration may also say `false` or `true`.
    Switch,
    /// An integer from 0 to this number.
    Number(u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A word that depends on the running kernel.
    Word,
}

/// A value of a sysctl, as `/proc/sys` shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum SysctlValue {
    /// Of a [`SysctlKind::Switch`] or a [`SysctlKind::Number`].
    Number(u64),
    /// Of a [`SysctlKind::Choice`] or a [`SysctlKind::Word`].
    Word(String),
}

/// The longest time in seconds: the kernel counts jiffies, at most 1,000 per second, in an `int`.
const SECONDS_MAX: u64 = i32::MAX as u64 / 1000;

/// Name, kind, the value that a network namespace starts with, and meaning; ranges are those of `mptcp_sysctl_table`,
/// values those of `mptcp_pernet_set_defaults` in `net/mptcp/ctrl.c`.
const TABLE: [(&str, SysctlKind, &str, &str); 12] = {
    use SysctlKind::{Choice, Number, Switch, Word};
    [
        ("enabled", Switch, "1", "whether applications may open MPTCP sockets"),
        (
            "path_manager",
            Choice(&["kernel", "userspace"]),
            "kernel",
            "which path manager opens and closes subflows (Linux 6.15; see pm_type)",
        ),
        (
            "pm_type",
            Number(1),
            "0",
            "the older name of path_manager; 0 for kernel, 1 for userspace (Linux 5.19)",
        ),
        ("scheduler", Word, "default", "the packet scheduler, one of available_schedulers (Linux 6.6)"),
        ("checksum_enabled", Switch, "0", "whether data carries checksums (DSS)"),
        (
            "allow_join_initial_addr_port",
            Switch,
            "1",
            "whether the peer may open subflows to the first address",
        ),
        ("add_addr_timeout", Number(SECONDS_MAX), "120", "seconds until ADD_ADDR is sent again; 0 for never"),
        (
            "add_addr_v6_port_drop_ts",
            Switch,
            "1",
            "whether ADD_ADDR of an IPv6 address with a port displaces TCP timestamps (Linux 7.3)",
        ),
        (
            "stale_loss_cnt",
            Number(u32::MAX as u64),
            "4",
            "lost retransmissions until a subflow is stale; 0 for never",
        ),
        (
            "close_timeout",
            Number(SECONDS_MAX),
            "60",
            "seconds that a connection stays open without subflows (after Linux 6.6)",
        ),
        (
            "blackhole_timeout",
            Number(i32::MAX as u64),
            "3600",
            "seconds without MPTCP after a blackhole; 0 for off (Linux 6.12)",
        ),
        (
            "syn_retrans_before_tcp_fallback",
            Number(u8::MAX as u64),
            "2",
            "SYNs with MPTCP before falling back to TCP (Linux 6.14)",
        ),
    ]
};

impl Sysctl {
    /// Whether applications may open MPTCP sockets.
    pub const ENABLED: Sysctl = Sysctl(0);
    /// The path manager: `kernel` or `userspace`. The same setting as [`Sysctl::PM_TYPE`].
    pub const PATH_MANAGER: Sysctl = Sysctl(1);
    /// The older name of [`Sysctl::PATH_MANAGER`]: 0 or 1.
    pub const PM_TYPE: Sysctl = Sysctl(2);
    /// The packet scheduler.
    pub const SCHEDULER: Sysctl = Sysctl(3);

    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Sysctl> {
        (0u8..).take(TABLE.len()).map(Sysctl)
    }

    /// The sysctl of that name.
    pub fn named(name: &str) -> Option<Sysctl> {
        Sysctl::all().find(|sysctl| sysctl.name() == name)
    }

    /// The kernel's name, without `net.mptcp.`.
    pub fn name(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// The values that it takes.
    pub fn kind(self) -> SysctlKind {
        TABLE[usize::from(self.0)].1
    }

    /// The value in a new network namespace.
    pub fn initial(self) -> &'static str {
        TABLE[usize::from(self.0)].2
    }

    /// Whether 0 switches it off, as its meaning says.
    pub fn is_off_at_zero(self) -> bool {
        ["; 0 for never", "; 0 for off"].iter().any(|words| self.meaning().contains(words))
    }

    /// The meaning in a few words.
    pub fn meaning(self) -> &'static str {
        TABLE[usize::from(self.0)].3
    }
}

impl From<Sysctl> for &'static str {
    fn from(sysctl: Sysctl) -> &'static str {
        sysctl.name()
    }
}

impl TryFrom<String> for Sysctl {
    type Error = String;

    fn try_from(name: String) -> Result<Sysctl, String> {
        Sysctl::named(&name).ok_or(name)
    }
}

impl fmt::Debug for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl SysctlValue {
    /// Parses the text in `/proc/sys`.
    pub fn parse(text: &str) -> SysctlValue {
        let text = text.trim();
        text.parse().map_or_else(|_| SysctlValue::Word(text.to_owned()), SysctlValue::Number)
    }
}

impl fmt::Display for SysctlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SysctlValue::Number(number) => number.fmt(f),
            SysctlValue::Word(word) => f.write_str(word),
        }
    }
}

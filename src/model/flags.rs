//! Endpoint flags: one table to parse, print and describe them.

#[cfg(test)]
mod tests;

use std::fmt;

/// A set of endpoint flags, `MPTCP_PM_ADDR_FLAG_*` of `include/uapi/linux/mptcp.h`.
///
/// Bits without a name here are kept and shown, never dropped: a newer kernel or another program may have set them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Flags(u32);

/// Bit, name and meaning of every flag of the kernel, in the order in which `ip mptcp` prints them.
const TABLE: [(Flags, &str, &str); 6] = [
    (Flags::SIGNAL, "signal", "announce the address to the peer (ADD_ADDR)"),
    (Flags::SUBFLOW, "subflow", "open a subflow from this address to the peer"),
    (Flags::BACKUP, "backup", "use its subflows only when no other path works"),
    (Flags::FULLMESH, "fullmesh", "open a subflow to every address of the peer (Linux 5.15)"),
    (Flags::IMPLICIT, "implicit", "created by the kernel itself; cannot be declared (Linux 5.18)"),
    (Flags::LAMINAR, "laminar", "open a subflow from this address when the peer announces one (Linux 6.18)"),
];

impl Flags {
    /// `MPTCP_PM_ADDR_FLAG_SIGNAL`
    pub const SIGNAL: Flags = Flags(1 << 0);
    /// `MPTCP_PM_ADDR_FLAG_SUBFLOW`
    pub const SUBFLOW: Flags = Flags(1 << 1);
    /// `MPTCP_PM_ADDR_FLAG_BACKUP`
    pub const BACKUP: Flags = Flags(1 << 2);
    /// `MPTCP_PM_ADDR_FLAG_FULLMESH`
    pub const FULLMESH: Flags = Flags(1 << 3);
    /// `MPTCP_PM_ADDR_FLAG_IMPLICIT`
    pub const IMPLICIT: Flags = Flags(1 << 4);
    /// `MPTCP_PM_ADDR_FLAG_LAMINAR`
    pub const LAMINAR: Flags = Flags(1 << 5);
    /// All flags that let the kernel open subflows from an address.
    pub const OPENING: Flags = Flags::SUBFLOW.union(Flags::FULLMESH).union(Flags::LAMINAR);

    /// The flags that SET_FLAGS can change on an existing endpoint; it always sets both of them
    /// (`mptcp_pm_nl_set_flags` in `net/mptcp/pm_kernel.c`).
    pub const CHANGEABLE: Flags = Flags(Flags::BACKUP.0 | Flags::FULLMESH.0);

    /// The flags that are newer than the path manager, so that a kernel may not have them.
    pub const YOUNG: Flags = Flags(Flags::FULLMESH.0 | Flags::LAMINAR.0);

    /// The raw bits, as the netlink attribute carries them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The flags from bits of the kernel, including unknown ones.
    pub const fn from_bits(bits: u32) -> Flags {
        Flags(bits)
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether at least one of `other` is set.
    pub const fn intersects(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// The flags of both sets.
    pub const fn intersection(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }

    /// The flags of either set.
    pub const fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// These flags without those of `other`.
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// The flag of that name.
    pub fn named(name: &str) -> Option<Flags> {
        TABLE.iter().find(|(_, word, _)| *word == name).map(|(flag, ..)| *flag)
    }

    /// The names that a configuration may use, with what they mean.
    pub fn declarable() -> impl Iterator<Item = (&'static str, &'static str)> {
        TABLE.iter().filter(|(flag, ..)| *flag != Flags::IMPLICIT).map(|(_, name, meaning)| (*name, *meaning))
    }

    /// One word per flag, as reports list them; bits without a name come last as one hexadecimal number.
    pub fn words(self) -> Vec<String> {
        let mut words: Vec<String> = TABLE
            .iter()
            .filter(|(flag, ..)| self.contains(*flag))
            .map(|(_, name, _)| (*name).to_owned())
            .collect();
        let unknown = TABLE.iter().fold(self, |rest, (flag, ..)| rest.without(*flag));
        if unknown != Flags::default() {
            words.push(format!("{:#x}", unknown.0));
        }
        words
    }
}

/// The flags as `ip mptcp endpoint show` prints them: `subflow backup`, `signal rawflags 0x40`.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words().iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            let raw = if word.starts_with("0x") { "rawflags " } else { "" };
            write!(f, "{space}{raw}{word}")?;
        }
        Ok(())
    }
}

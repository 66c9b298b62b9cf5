//! One step of a plan: what, why, what it does to live connections, and what undoes it.

use std::fmt;

use super::{Endpoint, Flags, Limits, State, Sysctl, SysctlValue};

/// One operation on the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write a sysctl.
    SetSysctl {
        /// Which.
        sysctl: Sysctl,
        /// Its value before.
        from: SysctlValue,
        /// Its value after.
        to: SysctlValue,
    },
    /// Set both limits.
    SetLimits {
        /// Before.
        from: Limits,
        /// After.
        to: Limits,
    },
    /// Change `backup` and `fullmesh` of a living endpoint.
    SetFlags {
        /// The row before.
        endpoint: Endpoint,
        /// All its flags after.
        to: Flags,
        /// Why.
        why: Reason,
    },
    /// Remove a row.
    DelAddr {
        /// The row.
        endpoint: Endpoint,
        /// Why.
        why: Reason,
    },
    /// Add a row.
    AddAddr {
        /// The row; without an id where the kernel is to choose.
        endpoint: Endpoint,
        /// Why.
        why: Reason,
    },
}

/// Why a step is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is declared and not there.
    Declared,
    /// It is there and not declared.
    NotDeclared,
    /// Its flags are not those declared.
    FlagsDiffer,
    /// Its id is not the declared one.
    IdDiffers,
    /// Its interface is not the declared one.
    DevDiffers,
    /// Its interface is gone, or came back with another index.
    DevGone,
    /// Another declared endpoint must have its id.
    IdNeeded,
    /// It is implicit, and a declared endpoint needs its place in a full table.
    PlaceNeeded,
    /// The kernel's own implicit endpoint becomes the declared one, with its id and subflows.
    Adopted,
    /// It is put back after a failure.
    PutBack,
    /// Live connections did not get their subflows back.
    Renewed,
    /// It was added before its address could be used, so that live connections have no subflow from it.
    AddedTooEarly,
}

impl Reason {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Declared => "declared",
            Reason::NotDeclared => "not declared",
            Reason::FlagsDiffer => "flags differ",
            Reason::IdDiffers => "id differs",
            Reason::DevDiffers => "dev differs",
            Reason::DevGone => "its interface was re-created",
            Reason::IdNeeded => "its id is declared for another endpoint",
            Reason::PlaceNeeded => "the table is full and a declared endpoint needs its place",
            Reason::Adopted => "adopts the implicit endpoint",
            Reason::PutBack => "put back",
            Reason::Renewed => "renewed",
            Reason::AddedTooEarly => "added before its address could be used",
        }
    }
}

/// What a step does to live connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disruption {
    /// Nothing that would interrupt them.
    None,
    /// The endpoint's subflows are closed and opened again.
    RecreatesSubflows,
    /// The endpoint's subflows are closed.
    ClosesSubflows,
}

impl Disruption {
    /// The word of reports.
    pub fn word(self) -> &'static str {
        match self {
            Disruption::None => "none",
            Disruption::RecreatesSubflows => "recreates-subflows",
            Disruption::ClosesSubflows => "closes-subflows",
        }
    }
}

impl Step {
    /// What it does to live connections.
    pub fn disruption(&self) -> Disruption {
        match self {
            Step::SetSysctl { .. } | Step::SetLimits { .. } | Step::AddAddr { .. } => Disruption::None,
            Step::DelAddr { .. } => Disruption::ClosesSubflows,
            Step::SetFlags { endpoint, to, .. } => {
                let fullmesh_changes =
                    endpoint.flags.contains(Flags::FULLMESH) != to.contains(Flags::FULLMESH);
                if fullmesh_changes { Disruption::RecreatesSubflows } else { Disruption::None }
            }
        }
    }

    /// The endpoint that it is about.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Step::SetSysctl { .. } | Step::SetLimits { .. } => None,
            Step::SetFlags { endpoint, .. }
            | Step::DelAddr { endpoint, .. }
            | Step::AddAddr { endpoint, .. } => Some(endpoint),
        }
    }

    /// The same step for another reason. Settings have none.
    pub fn because(mut self, reason: Reason) -> Step {
        match &mut self {
            Step::SetFlags { why, .. } | Step::DelAddr { why, .. } | Step::AddAddr { why, .. } => {
                *why = reason
            }
            Step::SetSysctl { .. } | Step::SetLimits { .. } => {}
        }
        self
    }

    /// What the state is after the step, as far as that is known: a row that was added without an id has none yet.
    pub fn replay(&self, state: &mut State) {
        match self {
            Step::SetSysctl { sysctl, from: _, to } => {
                state.sysctls.insert(*sysctl, to.clone());
            }
            Step::SetLimits { from: _, to } => state.limits = *to,
            Step::SetFlags { endpoint, to, why: _ } => {
                for row in state.endpoints.iter_mut().filter(|row| row.identity == endpoint.identity) {
                    row.flags = *to;
                }
            }
            Step::DelAddr { endpoint, why: _ } => {
                state.endpoints.retain(|row| row.identity != endpoint.identity);
            }
            Step::AddAddr { endpoint, why: _ } => {
                // An adopted endpoint takes the place of the implicit one.
                state.endpoints.retain(|row| row.identity != endpoint.identity);
                state.endpoints.push(endpoint.clone());
            }
        }
    }

    /// The step that takes this one back, given the state in which it is to be taken back; none when there is nothing
    /// to take back, or nothing that could.
    ///
    /// An adopted endpoint stays: the kernel makes implicit endpoints only itself, and removing the row would close
    /// the subflow that it stands for. Nor can a removed implicit endpoint be made again.
    pub fn undo(&self, now: &State) -> Option<Step> {
        let why = Reason::PutBack;
        match self {
            Step::SetSysctl { sysctl, from, to } => {
                Some(Step::SetSysctl { sysctl: *sysctl, from: to.clone(), to: from.clone() })
            }
            Step::SetLimits { from, to } => Some(Step::SetLimits { from: *to, to: *from }),
            Step::SetFlags { endpoint, to: _, why: _ } => {
                let row = now.endpoint(endpoint.identity)?;
                Some(Step::SetFlags { endpoint: row.clone(), to: endpoint.flags, why })
            }
            Step::DelAddr { endpoint, why: _ } if endpoint.is_implicit() => None,
            Step::DelAddr { endpoint, why: _ } => Some(Step::AddAddr { endpoint: endpoint.clone(), why }),
            Step::AddAddr { endpoint: _, why: Reason::Adopted } => None,
            Step::AddAddr { endpoint, why: _ } => {
                let row = now.endpoint(endpoint.identity)?;
                Some(Step::DelAddr { endpoint: row.clone(), why })
            }
        }
    }
}

/// What the step is, for messages: `add 192.0.2.1 id 1 subflow`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::SetSysctl { sysctl, to, .. } => write!(f, "set net.mptcp.{} to {to}", sysctl.name()),
            Step::SetLimits { to, .. } => write!(f, "set limits {to}"),
            Step::SetFlags { endpoint, to, .. } => write!(f, "change {endpoint} to {to}"),
            Step::DelAddr { endpoint, .. } => write!(f, "remove {endpoint}"),
            Step::AddAddr { endpoint, .. } => write!(f, "add {endpoint}"),
        }
    }
}

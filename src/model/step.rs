//! One step of a plan: the operation, its reason, its effect on live connections, and its inverse.

use std::fmt;

use super::{Endpoint, Flags, Limits, State, Sysctl, SysctlValue, UplinkRoute, UplinkRule, UplinkState};

/// One operation on the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write a sysctl.
    SetSysctl {
        /// The sysctl.
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
    /// Change `backup` and `fullmesh` of an existing endpoint.
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
        /// The row; without an id if the kernel chooses.
        endpoint: Endpoint,
        /// Why.
        why: Reason,
    },
    /// Add a rule.
    AddRule {
        /// The rule.
        rule: UplinkRule,
        /// Why.
        why: Reason,
    },
    /// Remove a rule.
    DelRule {
        /// The rule.
        rule: UplinkRule,
        /// Why.
        why: Reason,
    },
    /// Add a route, or replace it in place.
    SetRoute {
        /// Before, if there was one.
        from: Option<UplinkRoute>,
        /// After.
        to: UplinkRoute,
        /// Why.
        why: Reason,
    },
    /// Remove a route.
    DelRoute {
        /// The route.
        route: UplinkRoute,
        /// Why.
        why: Reason,
    },
}

/// The reason of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The endpoint is declared and not in the table.
    Declared,
    /// The endpoint is in the table and not declared.
    NotDeclared,
    /// Its flags are not those declared.
    FlagsDiffer,
    /// Its id is not the declared one.
    IdDiffers,
    /// Its interface is not the declared one.
    DevDiffers,
    /// Its interface was removed, or created again with another index.
    DevGone,
    /// A selector covers it, and its interface is down.
    InterfaceDown,
    /// Its interface has another name now, which no declaration has.
    InterfaceRenamed,
    /// A selector covers it, and its address is gone.
    AddressGone,
    /// A selector covers it, and gets no place for it any more.
    NoLongerFits,
    /// Another declared endpoint has its id.
    IdNeeded,
    /// It is implicit, and a declared endpoint needs its slot in a full table.
    PlaceNeeded,
    /// An implicit endpoint becomes the declared one, with its id and subflows.
    Adopted,
    /// Its data is to go by other paths before it is removed.
    Drained,
    /// It is restored after a failure.
    PutBack,
    /// Live connections did not get their subflows back.
    Renewed,
    /// It was added before its address could be used, so that live connections have no subflow from it.
    AddedTooEarly,
    /// Live connections could have a subflow from it, and none has one.
    SubflowLost {
        /// How many.
        connections: usize,
        /// Whether nothing was done about it before.
        is_first: bool,
    },
    /// `renew` names it.
    AskedFor,
    /// The default route of the interface has another router now.
    RouterChanged,
    /// Nothing tells the router of the interface any more.
    GatewayUnknown,
    /// It stands in for an uplink that is down.
    UplinkDown,
    /// The uplink that it stands in for is up again.
    UplinkUp,
    /// No uplink is up that could stand in for another.
    NoUplinkUp,
}

impl Reason {
    /// The reason in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Declared => "declared",
            Reason::NotDeclared => "not declared",
            Reason::FlagsDiffer => "flags differ",
            Reason::IdDiffers => "id differs",
            Reason::DevDiffers => "dev differs",
            Reason::DevGone => "its interface is gone",
            Reason::InterfaceDown => "interface down",
            Reason::InterfaceRenamed => "interface renamed",
            Reason::AddressGone => "address gone",
            Reason::NoLongerFits => "no longer fits",
            Reason::IdNeeded => "its id is declared for another endpoint",
            Reason::PlaceNeeded => "the table is full and a declared endpoint needs its place",
            Reason::Adopted => "adopts the implicit endpoint",
            Reason::Drained => "drained",
            Reason::PutBack => "put back",
            Reason::Renewed => "renewed",
            Reason::AddedTooEarly => "added before its address could be used",
            Reason::SubflowLost { .. } => "subflow lost",
            Reason::AskedFor => "renewed by hand",
            Reason::RouterChanged => "the router changed",
            Reason::GatewayUnknown => "gateway unknown",
            Reason::UplinkDown => "stands in for an uplink that is down",
            Reason::UplinkUp => "the uplink is up again",
            Reason::NoUplinkUp => "no uplink is up",
        }
    }

    /// Whether a row is removed and added again only for the sake of its subflows.
    pub fn asks_again(self) -> bool {
        use Reason::{AddedTooEarly, AskedFor, Renewed, SubflowLost};
        matches!(self, Renewed | AddedTooEarly | SubflowLost { .. } | AskedFor)
    }

    /// Whether that is done for connections that lack subflows though there is a way for them, so that these are waited for. A
    /// peer that refused them once is left alone.
    pub fn awaits_subflows(self) -> bool {
        matches!(self, Reason::SubflowLost { is_first: true, .. } | Reason::AskedFor)
    }
}

/// The effect of a step on live connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disruption {
    /// They are not interrupted.
    None,
    /// Packets of the address leave by another interface.
    MovesSubflows,
    /// The endpoint's subflows are closed and opened again.
    RecreatesSubflows,
    /// The endpoint's subflows are closed.
    ClosesSubflows,
}

impl Disruption {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Disruption::None => "none",
            Disruption::MovesSubflows => "moves-subflows",
            Disruption::RecreatesSubflows => "recreates-subflows",
            Disruption::ClosesSubflows => "closes-subflows",
        }
    }
}

impl Step {
    /// Its effect on live connections.
    pub fn disruption(&self) -> Disruption {
        match self {
            Step::SetSysctl { .. }
            | Step::SetLimits { .. }
            | Step::AddAddr { .. }
            | Step::AddRule { .. }
            | Step::SetRoute { .. }
            | Step::DelRoute { .. } => Disruption::None,
            // Without its address nothing leaves at all.
            Step::DelRule { why: Reason::AddressGone | Reason::InterfaceDown | Reason::DevGone, .. } => {
                Disruption::None
            }
            Step::DelRule { .. } => Disruption::MovesSubflows,
            Step::DelAddr { .. } => Disruption::ClosesSubflows,
            Step::SetFlags { endpoint, to, .. } => {
                let fullmesh_changes =
                    endpoint.flags.contains(Flags::FULLMESH) != to.contains(Flags::FULLMESH);
                if fullmesh_changes { Disruption::RecreatesSubflows } else { Disruption::None }
            }
        }
    }

    /// The endpoint of the step.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Step::SetFlags { endpoint, .. }
            | Step::DelAddr { endpoint, .. }
            | Step::AddAddr { endpoint, .. } => Some(endpoint),
            Step::SetSysctl { .. }
            | Step::SetLimits { .. }
            | Step::AddRule { .. }
            | Step::DelRule { .. }
            | Step::SetRoute { .. }
            | Step::DelRoute { .. } => None,
        }
    }

    /// Whether it is about a rule or route.
    pub fn is_of_uplink(&self) -> bool {
        matches!(
            self,
            Step::AddRule { .. } | Step::DelRule { .. } | Step::SetRoute { .. } | Step::DelRoute { .. }
        )
    }

    /// The same step for another reason. Settings have none.
    pub fn because(mut self, reason: Reason) -> Step {
        match &mut self {
            Step::SetFlags { why, .. }
            | Step::DelAddr { why, .. }
            | Step::AddAddr { why, .. }
            | Step::AddRule { why, .. }
            | Step::DelRule { why, .. }
            | Step::SetRoute { why, .. }
            | Step::DelRoute { why, .. } => *why = reason,
            Step::SetSysctl { .. } | Step::SetLimits { .. } => {}
        }
        self
    }

    /// The same step, where an earlier one changed the flags of its row.
    pub fn of_row(&self, now: &State) -> Step {
        let mut step = self.clone();
        if let Step::SetFlags { endpoint, .. } | Step::DelAddr { endpoint, .. } = &mut step
            && let Some(row) = now.endpoint(endpoint.identity)
        {
            endpoint.flags = row.flags;
        }
        step
    }

    /// The state after the step, as far as known: a row that was added without an id has none yet.
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
            Step::AddRule { .. } | Step::DelRule { .. } | Step::SetRoute { .. } | Step::DelRoute { .. } => {
                self.replay_uplinks(state.uplinks.get_or_insert_default());
            }
        }
    }

    fn replay_uplinks(&self, uplinks: &mut UplinkState) {
        match self {
            Step::AddRule { rule, .. } => uplinks.rules.push(rule.clone()),
            // There may be several of the same form.
            Step::DelRule { rule, .. } => {
                let at = uplinks.rules.iter().position(|own| own == rule);
                at.map(|at| uplinks.rules.remove(at));
            }
            Step::SetRoute { to: route, .. } | Step::DelRoute { route, .. } => {
                uplinks.routes.retain(|own| own.key() != route.key());
                if let Step::SetRoute { to, .. } = self {
                    uplinks.routes.push(to.clone());
                }
            }
            _ => {}
        }
    }

    /// Whether the state shows that the step was carried out.
    pub fn is_carried_out(&self, now: &State) -> bool {
        match self {
            Step::SetSysctl { sysctl, to, .. } => now.sysctls.get(sysctl) == Some(to),
            Step::SetLimits { to, .. } => now.limits == *to,
            Step::SetFlags { endpoint, to, .. } => {
                now.endpoint(endpoint.identity).is_some_and(|row| row.flags == *to)
            }
            Step::DelAddr { endpoint, .. } => now.endpoint(endpoint.identity).is_none(),
            Step::AddAddr { endpoint, .. } => {
                now.endpoint(endpoint.identity).is_some_and(|row| endpoint.becomes(row))
            }
            Step::AddRule { rule, .. } => now.uplinks().rules.contains(rule),
            Step::DelRule { rule, .. } => !now.uplinks().rules.contains(rule),
            Step::SetRoute { to, .. } => now.uplinks().routes.contains(to),
            Step::DelRoute { route, .. } => !now.uplinks().routes.contains(route),
        }
    }

    /// The step that undoes this one in the given state; `None` if there is nothing to undo, or no way to undo it.
    ///
    /// An adopted endpoint stays: only the kernel can create implicit endpoints, and removing the row would close its
    /// subflow. A removed implicit endpoint cannot be restored either.
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
            Step::AddRule { rule, why: _ } => {
                now.uplinks().rules.contains(rule).then(|| Step::DelRule { rule: rule.clone(), why })
            }
            Step::DelRule { rule, why: _ } => Some(Step::AddRule { rule: rule.clone(), why }),
            Step::SetRoute { from: None, to, why: _ } => Some(Step::DelRoute { route: to.clone(), why }),
            Step::SetRoute { from: Some(from), to, why: _ } => {
                Some(Step::SetRoute { from: Some(to.clone()), to: from.clone(), why })
            }
            Step::DelRoute { route, why: _ } => Some(Step::SetRoute { from: None, to: route.clone(), why }),
        }
    }
}

/// The step for messages: `add 192.0.2.1 id 1 subflow`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::SetSysctl { sysctl, to, .. } => write!(f, "set net.mptcp.{} to {to}", sysctl.name()),
            Step::SetLimits { to, .. } => write!(f, "set limits {to}"),
            Step::SetFlags { endpoint, to, .. } => write!(f, "change {endpoint} to {to}"),
            Step::DelAddr { endpoint, .. } => write!(f, "remove {endpoint}"),
            Step::AddAddr { endpoint, .. } => write!(f, "add {endpoint}"),
            Step::AddRule { rule, .. } => write!(f, "add {rule}"),
            Step::DelRule { rule, .. } => write!(f, "remove {rule}"),
            Step::SetRoute { to, .. } => write!(f, "set {to}"),
            Step::DelRoute { route, .. } => write!(f, "remove {route}"),
        }
    }
}

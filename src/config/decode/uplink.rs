//! Decodes the values of an uplink.

use std::net::IpAddr;

use crate::config::document::Located;
use crate::config::gateway::Gateway;
use crate::config::node::{Node, Value, quoted};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Family, code};

use super::Decoder;
use super::value::{located, shown};

impl Decoder<'_> {
    pub(in crate::config) fn gateway(&mut self, node: &Node) -> Option<Located<Gateway>> {
        let items = match &node.value {
            Value::Scalar(scalar) if scalar.text == Gateway::NONE => return located(node, Gateway::OnLink),
            Value::Sequence(items) if items.is_empty() => {
                let help = "write an address, or `gateway: none` on a link without a router";
                self.report_value(
                    node,
                    code::ADDRESS,
                    "`gateway` is an empty list".to_owned(),
                    Some(help.to_owned()),
                );
                return None;
            }
            Value::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        // The wrong ones are reported all at once.
        let routers: Vec<Option<Located<IpAddr>>> = items.iter().map(|item| self.router(item)).collect();
        let routers: Vec<Located<IpAddr>> = routers.into_iter().collect::<Option<_>>()?;
        let is_one_a_family = self.is_one_a_family(&routers);
        let routers = routers.into_iter().map(|router| router.value).collect();
        is_one_a_family.then(|| located(node, Gateway::Routers(routers)))?
    }

    /// Whether no family has two routers, which is reported.
    fn is_one_a_family(&mut self, routers: &[Located<IpAddr>]) -> bool {
        let errors = self.diagnostics.errors();
        for family in Family::ALL {
            let mut own = routers.iter().filter(|router| Family::of(router.value) == family);
            let Some(first) = own.next() else { continue };
            for second in own {
                let message = format!("two {} gateways; an uplink has one router per family", family.title());
                let error = Diagnostic::error(code::CONFLICT, message).at(second.location, "");
                let error = error.at(first.location, "the first one");
                self.report(error.help("keep one of the two, or give each interface an uplink of its own"));
            }
        }
        self.diagnostics.errors() == errors
    }

    fn router(&mut self, node: &Node) -> Option<Located<IpAddr>> {
        let text = match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() && scalar.boolean().is_none() => &scalar.text,
            other => {
                let message = format!(
                    "`gateway` must be an address, a list of addresses or `none`, not {}",
                    shown(node)
                );
                let help = match other {
                    Value::Mapping(_) | Value::Sequence(_) => "write a list with one address per family",
                    _ => {
                        "write `gateway: none` on a link without a router, or leave the key out where the \
                         interface has a default route"
                    }
                };
                self.report_value(node, code::TYPE, message, Some(help.to_owned()));
                return None;
            }
        };
        match Gateway::router(text) {
            Ok(router) => located(node, router),
            Err(error) => {
                let message = format!("invalid gateway {}: {}", quoted(text), error.reason);
                self.report_value(node, code::ADDRESS, message, error.help);
                None
            }
        }
    }
}

//! Decodes the `check` of an uplink.

use std::time::Duration;

use crate::config::check::{
    CheckMethod, PERIOD_MAX, PERIOD_MIN, STREAK_MAX, UNITS, destination, duration, meant_duration,
};
use crate::config::document::{CheckDocument, Located};
use crate::config::habits;
use crate::config::node::{Node, Scalar, Value, quoted};
use crate::config::written::yaml_word;
use crate::model::code;
use crate::model::diagnostic::Diagnostic;

use super::Decoder;
use super::value::{located, quote_it, shown, single};

/// The longest command, in bytes; a longer one belongs in a file.
const COMMAND_MAX: usize = 4096;

/// The ways to write a check.
const CHECKS: &str = "`check: {connect: \"ADDRESS:PORT\"}`, `check: {run: \"COMMAND\"}` or `check: gateway`";

/// The remedy for one word in place of a check.
fn check_help(node: &Node, scalar: &Scalar) -> String {
    match &scalar.text {
        text if text.eq_ignore_ascii_case(CheckMethod::GATEWAY) => "write `check: gateway`".to_owned(),
        _ if habits::truth(node) == Some(false) => "leave `check` out".to_owned(),
        text if destination(text).is_ok() => format!("write `check: {{connect: \"{text}\"}}`"),
        text if text.contains([' ', '/']) => {
            format!("write `check: {{run: {}}}`", yaml_word(text))
        }
        _ => format!("write {CHECKS}"),
    }
}

impl Decoder<'_> {
    pub(in crate::config) fn check(&mut self, node: &Node) -> Option<Located<CheckDocument>> {
        if let Value::Scalar(scalar) = &node.value {
            if scalar.text != CheckMethod::GATEWAY {
                let message = format!("`check` must be a mapping or `gateway`, not {}", shown(node));
                self.report_value(node, code::TYPE, message, Some(check_help(node, scalar)));
                return None;
            }
            let method = located(node, CheckMethod::Gateway);
            return located(node, CheckDocument { method, ..CheckDocument::default() });
        }
        let mut check = CheckDocument::default();
        let before = (self.diagnostics.errors(), self.refused);
        for (key, value) in self.mapping(node, format_args!("`check`"), CHECKS) {
            match key.text.as_ref() {
                CheckMethod::CONNECT => {
                    let found = self.destination(value);
                    self.only_method(&mut check, found);
                }
                CheckMethod::RUN => {
                    let found = self.command(value);
                    self.only_method(&mut check, found);
                }
                "every" => check.every = self.period(value, "every"),
                "timeout" => check.timeout = self.period(value, "timeout"),
                "fall" => check.fall = self.streak(value, "fall"),
                "rise" => check.rise = self.streak(value, "rise"),
                _ => self.unknown_key(key, value, &CheckDocument::KEYS, habits::CHECK),
            }
        }
        ((self.diagnostics.errors(), self.refused) == before).then(|| located(node, check))?
    }

    fn only_method(&mut self, check: &mut CheckDocument, found: Option<Located<CheckMethod>>) {
        let Some(found) = found else { return };
        if let Some(first) = check.method.replace(found.clone()) {
            let message = "`connect` and `run` exclude each other; a check does one thing";
            let error = Diagnostic::error(code::CONFLICT, message).at(found.location, "");
            self.report(error.at(first.location, "the first one").help("keep one of the two"));
        }
    }

    fn destination(&mut self, node: &Node) -> Option<Located<CheckMethod>> {
        let text = self.text(node, format_args!("`connect`"), |_| "write `ADDRESS:PORT`".to_owned())?;
        match destination(text) {
            Ok(address) => located(node, CheckMethod::Connect(address)),
            Err(error) => {
                let message = format!("cannot connect to {}: {}", quoted(text), error.reason);
                self.report_value(node, code::ADDRESS, message, error.help);
                None
            }
        }
    }

    fn command(&mut self, node: &Node) -> Option<Located<CheckMethod>> {
        if let Value::Sequence(_) = node.value {
            let help = "write the command as one text, as for `sh -c`";
            self.report_value(
                node,
                code::TYPE,
                "`run` must be text, not a list".to_owned(),
                Some(help.to_owned()),
            );
            return None;
        }
        let text = self.text(node, format_args!("`run`"), quote_it)?;
        let wrong = match text {
            _ if text.trim().is_empty() => "`run` is empty".to_owned(),
            _ if text.contains('\0') => "`run` has a zero byte".to_owned(),
            _ if text.len() > COMMAND_MAX => format!("`run` has more than {COMMAND_MAX} bytes"),
            _ => return located(node, CheckMethod::Run(text.to_owned())),
        };
        let help = "write a command for `sh -c` that exits with 0 if the uplink works";
        self.report_value(node, code::VALUE, wrong, Some(help.to_owned()));
        None
    }

    fn period(&mut self, node: &Node, key: &str) -> Option<Located<Duration>> {
        let wanted = format!("`{key}` must be a duration from 100ms to 1h, such as `500ms`, `5s` or `1min`");
        let (code, help) = match &node.value {
            Value::Scalar(scalar) => match duration(&scalar.text) {
                Ok(period) if (PERIOD_MIN..=PERIOD_MAX).contains(&period) => return located(node, period),
                Ok(_) => (code::RANGE, None),
                Err(help) => {
                    let units = UNITS.map(|(name, _)| format!("`{name}`")).join(", ");
                    let units = format!("the units are {units}; a number without one is seconds");
                    let is_in_range = |time| (PERIOD_MIN..=PERIOD_MAX).contains(&time);
                    // The same in another unit may be out of range, which the message names.
                    let is_of_use = meant_duration(&scalar.text).is_none_or(is_in_range);
                    (code::TYPE, Some(help.unwrap_or(units)).filter(|_| is_of_use))
                }
            },
            other => (code::TYPE, single(other)),
        };
        self.report_value(node, code, format!("{wanted}, not {}", shown(node)), help);
        None
    }

    fn streak(&mut self, node: &Node, key: &str) -> Option<Located<u32>> {
        let wanted = format_args!("`{key}` must be a number of checks from 1 to {STREAK_MAX}");
        let number = self.integer(node, wanted, 1..=STREAK_MAX.into(), &[], &[])?;
        located(node, number.try_into().ok()?)
    }
}

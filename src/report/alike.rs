//! Warnings of one kind as one: what a thousand declarations lack is said once, with a count and the first places. JSON
//! has each of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::code::Code;
use crate::model::diagnostic::{Diagnostic, Label, Severity};

/// Up to as many warnings of one code are shown one by one.
const SHOWN_MAX: usize = 10;
/// The places that are shown of more.
const PLACES: usize = 3;

/// The diagnostics in their order, with one in place of many warnings of one code, where the first of these was.
pub fn grouped<'d>(all: impl IntoIterator<Item = &'d Diagnostic>) -> Vec<Cow<'d, Diagnostic>> {
    let all: Vec<&Diagnostic> = all.into_iter().collect();
    let mut kinds: BTreeMap<Code, Vec<&Diagnostic>> = BTreeMap::new();
    for warning in all.iter().filter(|found| found.severity == Severity::Warning) {
        kinds.entry(warning.code).or_default().push(warning);
    }
    kinds.retain(|_, alike| alike.len() > SHOWN_MAX);
    let shown = |found: &'d Diagnostic| {
        let alike = kinds.get(&found.code).filter(|_| found.severity == Severity::Warning);
        match alike.map(Vec::as_slice) {
            Some([first, others @ ..]) => std::ptr::eq(*first, found).then(|| Cow::Owned(one(first, others))),
            _ => Some(Cow::Borrowed(found)),
        }
    };
    all.iter().filter_map(|found| shown(found)).collect()
}

/// The first one, which also counts the others and shows where the next ones are.
fn one(first: &Diagnostic, others: &[&Diagnostic]) -> Diagnostic {
    let mut one = first.clone();
    one.message += &format!(" (and {} more `{}` warnings)", others.len(), first.code);
    for other in &others[..PLACES - 1] {
        let label = |label: &Label| Label {
            location: label.location,
            text: other.endpoint.as_ref().map_or(String::new(), |name| format!("`{name}`")),
        };
        one.labels.extend(other.labels.first().map(label));
    }
    one
}

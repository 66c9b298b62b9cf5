//! Parsing and checking of the configuration: text in, [`Config`] and diagnostics out. [`LoadedConfig`] is the one door,
//! which reads the files too.
//!
//! ```text
//! text --yaml--> Node --decode--> Document --merge--> Config --validate--> diagnostics
//!               (spans)          (one file)          (all files)
//! ```
//!
//! The YAML tree is our own, built from the events of `saphyr-parser`, and not a serde data model: a serde deserialiser
//! stops at its first error and drops the locations of valid values, while this program reports all errors of all files
//! at once and needs the location of each value later. Parsing the text once for both is simpler than matching the
//! results of two parsers. `plain` reads texts of the usual form, and leaves the others to that parser.

mod body;
mod check;
mod decode;
mod document;
mod foreign;
mod gateway;
mod habits;
mod load;
mod merge;
mod node;
mod opposite;
mod pattern;
mod plain;
mod selector;
mod syntax;
#[cfg(test)]
mod tests;
mod unique;
mod uplink;
mod validate;
mod written;
mod yaml;

pub use check::{CheckMethod, UplinkCheck};
pub use decode::suggestion;
pub use document::{LimitValue, Located, NAME_MAX, Name};
pub use gateway::Gateway;
pub use load::{LoadedConfig, NoConfig, Trust, meant_verb};
pub use merge::ManagedLimits;
pub use pattern::{
    ALTNAME_MAX, AddressPattern, DevicePattern, INTERFACE_NAME_MAX, is_unique_local, list_hint,
};
pub use selector::Selector;
pub use uplink::Uplink;
pub use validate::{Config, Declaration, EndpointTarget};
pub use written::{Content, Entry, Written, yaml_word};

use crate::model::diagnostic::{Diagnostics, SourceId};

use merge::Completeness;

/// The most endpoints, and the most uplinks, that one configuration may declare.
pub const DECLARATIONS_MAX: usize = 4096;

/// Parses and checks the texts of all files, given in the order in which later ones win.
///
/// The configuration is complete and valid only if no error was reported.
pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>, diagnostics: &mut Diagnostics) -> Config {
    let merged = merge(texts, diagnostics);
    let config = validate::config(merged, diagnostics);
    diagnostics.sort();
    config
}

/// What valid texts declare together, each value with the place that set it.
pub fn merged<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Entry> {
    written::entries(&merge(texts, &mut Diagnostics::default()))
}

fn merge<'a>(texts: impl IntoIterator<Item = &'a str>, diagnostics: &mut Diagnostics) -> merge::Merged {
    let mut merged = merge::Merged::default();
    for (index, text) in texts.into_iter().enumerate() {
        let source = SourceId::new(index);
        // A file that is too large or not UTF-8 has its error already, and the rest of it would cause others.
        if diagnostics.concern(source) {
            merged.completeness = Completeness::Incomplete;
            continue;
        }
        match yaml::parse(text, source, diagnostics) {
            Ok(Some(node)) => {
                let document = decode::document(&node, diagnostics);
                // Of a large file both together would be the most memory of a run.
                drop(node);
                merged.add(document);
            }
            Ok(None) => {}
            Err(yaml::Unreadable) => merged.completeness = Completeness::Incomplete,
        }
    }
    merged
}

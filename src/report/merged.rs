//! Renders the merged configuration, each value with the `file:line` that set it.

use serde::Serialize;

use crate::config::{Content, Entry, Written, yaml_word};
use crate::model::diagnostic::Location;
use crate::model::escaped;
use crate::source::SourceFile;

/// The column at which a comment begins, unless its line is longer.
const COMMENT_MAX: usize = 48;

/// A line of YAML, and where its value is from.
type Line = (String, Option<Location>);

/// The configuration as YAML with comments.
pub fn yaml(entries: &[Entry], sources: &[SourceFile]) -> String {
    let mut lines = Vec::new();
    add_lines(entries, "", &mut lines);
    let located = lines.iter().filter(|(_, location)| location.is_some());
    let widths = located.map(|(text, _)| text.chars().count());
    let width = widths.filter(|width| *width <= COMMENT_MAX).max().unwrap_or(0);
    let comment = |(text, location): &Line| match location {
        Some(location) => format!("{text:width$}  # {}\n", origin(*location, sources)),
        None => format!("{text}\n"),
    };
    lines.iter().map(comment).collect()
}

fn add_lines(entries: &[Entry], indent: &str, lines: &mut Vec<Line>) {
    for Entry { key, content, location } in entries {
        let key = yaml_word(key);
        match content {
            Content::Value(value) => lines.push((format!("{indent}{key}: {value}"), *location)),
            Content::Entries(entries) if entries.is_empty() => {
                lines.push((format!("{indent}{key}: {{}}"), *location));
            }
            Content::Entries(entries) => {
                lines.push((format!("{indent}{key}:"), *location));
                add_lines(entries, &format!("{indent}  "), lines);
            }
        }
    }
}

fn origin(location: Location, sources: &[SourceFile]) -> String {
    escaped(&format!("{}:{}", sources[location.source.index()].name, location.span.line())).into_owned()
}

/// One value of the merged configuration.
#[derive(Debug, Serialize)]
pub struct MergedJson<'a> {
    /// The keys that lead to it.
    key: Vec<&'a str>,
    value: &'a Written,
    file: Option<&'a str>,
    line: Option<usize>,
}

/// All values of the merged configuration, in order.
pub fn values<'a>(entries: &'a [Entry], sources: &'a [SourceFile]) -> Vec<MergedJson<'a>> {
    let mut values = Vec::new();
    add_values(entries, &[], sources, &mut values);
    values
}

fn add_values<'a>(
    entries: &'a [Entry],
    above: &[&'a str],
    sources: &'a [SourceFile],
    values: &mut Vec<MergedJson<'a>>,
) {
    for Entry { key, content, location } in entries {
        let key: Vec<&str> = above.iter().copied().chain([key.as_str()]).collect();
        let value = match content {
            Content::Value(value) => value,
            Content::Entries(entries) if entries.is_empty() => &Written::Empty {},
            Content::Entries(entries) => {
                add_values(entries, &key, sources, values);
                continue;
            }
        };
        let file = location.map(|location| sources[location.source.index()].name.as_str());
        values.push(MergedJson { key, value, file, line: location.map(|location| location.span.line()) });
    }
}

//! What the doctor found.

use std::fmt::Write;

use serde::Serialize;

use crate::doctor::{Evidence, Finding, PathManager, Severity};
use crate::source::Source;

use super::Style;
use super::json_v1::VERSION;

/// The columns of a page.
const WIDTH: usize = 80;
/// Where texts begin, behind their headings.
const INDENT: usize = 12;

/// The document for programs.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    version: u32,
    netns: Option<&'a str>,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Debug, Serialize)]
struct FindingJson<'a> {
    code: &'a str,
    severity: &'a str,
    endpoint: Option<&'a str>,
    title: &'a str,
    evidence: &'a str,
    meaning: &'a str,
    remedy: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
}

impl<'a> Document<'a> {
    /// The document; places are in `sources`.
    pub fn new(findings: &'a [Finding], sources: &'a [Source]) -> Document<'a> {
        let finding = |finding: &'a Finding| FindingJson {
            code: finding.code,
            severity: finding.severity.word(),
            endpoint: finding.endpoint.as_deref(),
            title: &finding.title,
            evidence: &finding.evidence,
            meaning: &finding.meaning,
            remedy: &finding.remedy,
            file: finding.place.map(|place| sources[place.source.0].name.as_str()),
            line: finding.place.map(|place| place.span.line),
            column: finding.place.map(|place| place.span.column),
        };
        Document { version: VERSION, netns: None, findings: findings.iter().map(finding).collect() }
    }
}

/// The page for people: a block a finding, then one line that counts them.
pub fn text(findings: &[Finding], sources: &[Source], evidence: &Evidence, style: Style) -> String {
    let mut text = String::new();
    for finding in findings {
        block(&mut text, finding, sources, style);
    }
    text.push_str(&summary(findings, evidence));
    text
}

fn block(text: &mut String, finding: &Finding, sources: &[Source], style: Style) {
    const BOLD: &str = "\x1b[1m";
    const RED: &str = "\x1b[1;31m";
    const YELLOW: &str = "\x1b[1;33m";
    let colour = if finding.severity == Severity::Fault { RED } else { YELLOW };
    let (on, bold, off) = if style == Style::Coloured { (colour, BOLD, "\x1b[0m") } else { ("", "", "") };
    // An endpoint without a name is called by its address, which most titles have already.
    let known = finding.endpoint.as_ref().filter(|name| !finding.title.contains(name.as_str()));
    let name = known.map_or(String::new(), |name| format!("   {name}"));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{on}{}{off}{bold}: {}{off}{name}", finding.severity.word(), finding.title);
    if let Some(place) = finding.place {
        let at = format!("{}:{}:{}", sources[place.source.0].name, place.span.line, place.span.column);
        paragraph(text, "declared", &[at]);
    }
    paragraph(text, "evidence", &wrapped(&finding.evidence));
    paragraph(text, "meaning", &wrapped(&finding.meaning));
    // Commands stay whole, to be copied.
    let remedy: Vec<String> = finding.remedy.lines().map(str::to_owned).collect();
    paragraph(text, "remedy", &remedy);
    let _ = writeln!(text, "  {:width$}{}", "code", finding.code, width = INDENT - 2);
    text.push('\n');
}

fn paragraph(text: &mut String, heading: &str, lines: &[String]) {
    for (number, line) in lines.iter().enumerate() {
        let heading = if number == 0 { heading } else { "" };
        let _ = writeln!(text, "  {heading:width$}{line}", width = INDENT - 2);
    }
}

/// The words in lines that fit beside the headings; one that is longer has a line of its own.
fn wrapped(words: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH - INDENT => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn summary(findings: &[Finding], evidence: &Evidence) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (faults, hints) = (count(Severity::Fault), count(Severity::Hint));
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let seen = match &evidence.path_manager {
        PathManager::Read(_) => format!(
            "looked at {} and {}",
            plural(evidence.endpoints().count(), "endpoint"),
            plural(evidence.connections.iter().filter(|live| !live.is_plain()).count(), "live connection")
        ),
        PathManager::Missing | PathManager::Unreadable(_) => "the endpoints were not looked at".to_owned(),
    };
    if findings.is_empty() {
        return format!("nothing wrong found; {seen}\n");
    }
    format!("{}, {}; {seen}\n", plural(faults, "fault"), plural(hints, "hint"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_no_word_is_lost() {
        let words = "one two three ".repeat(30) + &"long".repeat(40);
        let lines = wrapped(&words);
        assert_eq!(lines.join(" "), words);
        let (last, others) = lines.split_last().expect("lines");
        assert_eq!(last.len(), 160);
        assert!(others.iter().all(|line| line.len() <= WIDTH - INDENT));
        // No word would have fitted into the line before it.
        let first = |line: &String| line.split(' ').next().unwrap_or_default().len();
        let is_full = |pair: &[String]| pair[0].len() + 1 + first(&pair[1]) > WIDTH - INDENT;
        assert!(lines.windows(2).all(is_full), "{lines:#?}");
    }
}

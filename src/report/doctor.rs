//! The findings of the doctor.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use serde::Serialize;

use crate::doctor::{Evidence, Finding, FindingSeverity, Table};
use crate::model::{counted, escaped};
use crate::source::SourceFile;

use super::json_v1::VERSION;
use super::probe::{self, ProbeJson};
use super::{Style, wrap};

/// The column in which texts begin, behind their headings.
const INDENT: usize = 12;

/// The document for programs.
#[derive(Debug, Serialize)]
pub struct DoctorJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    findings: Vec<FindingJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<ProbeJson<'a>>,
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

impl<'a> DoctorJson<'a> {
    /// The document; `sources` has the files of locations.
    pub fn new(findings: &'a [Finding], sources: &'a [SourceFile], evidence: &'a Evidence) -> DoctorJson<'a> {
        let finding = |finding: &'a Finding| FindingJson {
            code: finding.code.word(),
            severity: finding.severity.word(),
            endpoint: finding.endpoint.as_deref(),
            title: &finding.title,
            evidence: &finding.evidence,
            meaning: &finding.meaning,
            remedy: &finding.remedy,
            file: finding.location.map(|location| sources[location.source.index()].name.as_str()),
            line: finding.location.map(|location| location.span.line()),
            column: finding.location.map(|location| location.span.column()),
        };
        let findings = findings.iter().map(finding).collect();
        DoctorJson {
            version: VERSION,
            netns: evidence.netns.as_deref(),
            findings,
            probe: ProbeJson::new(evidence),
        }
    }
}

/// The page for people: the test connection, one block a finding, and one line that counts them.
pub fn text(findings: &[Finding], sources: &[SourceFile], evidence: &Evidence, style: Style) -> String {
    let mut text = probe::text(evidence, style);
    for finding in findings {
        block(&mut text, finding, sources, style);
    }
    text.push_str(&summary(findings, evidence));
    text
}

fn block(text: &mut String, finding: &Finding, sources: &[SourceFile], style: Style) {
    const BOLD: &str = "\x1b[1m";
    const RED: &str = "\x1b[1;31m";
    const YELLOW: &str = "\x1b[1;33m";
    let colour = if finding.severity == FindingSeverity::Fault { RED } else { YELLOW };
    let (on, bold, off) = if style == Style::Coloured { (colour, BOLD, "\x1b[0m") } else { ("", "", "") };
    // Most titles have the address of an endpoint, which stands for its name if it has none.
    let known = finding.endpoint.as_ref().filter(|name| !finding.title.contains(name.as_str()));
    let name = known.map_or(String::new(), |name| format!("   {name}"));
    // Writing to a String cannot fail.
    let title = escaped(&finding.title);
    let _ = writeln!(text, "{on}{}{off}{bold}: {title}{off}{name}", finding.severity.word());
    if let Some(location) = finding.location {
        let at = format!(
            "{}:{}:{}",
            sources[location.source.index()].name,
            location.span.line(),
            location.span.column()
        );
        paragraph(text, "declared", &[at]);
    }
    paragraph(text, "evidence", &wrap(&finding.evidence, INDENT));
    paragraph(text, "meaning", &wrap(&finding.meaning, INDENT));
    paragraph(text, "remedy", &remedy(&finding.remedy));
    let _ = writeln!(text, "  {:width$}{}", "code", finding.code, width = INDENT - 2);
    text.push('\n');
}

fn paragraph(text: &mut String, heading: &str, lines: &[String]) {
    for (number, line) in lines.iter().enumerate() {
        let heading = if number == 0 { heading } else { "" };
        let _ = writeln!(text, "  {heading:width$}{}", escaped(line), width = INDENT - 2);
    }
}

/// Commands are not broken into lines, so that they can be copied; comments are.
fn remedy(lines: &str) -> Vec<String> {
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(comment) => wrap(comment, INDENT + 2).into_iter().map(|line| format!("# {line}")).collect(),
        None => vec![line.to_owned()],
    };
    lines.lines().flat_map(line).collect()
}

fn summary(findings: &[Finding], evidence: &Evidence) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (faults, hints) = (count(FindingSeverity::Fault), count(FindingSeverity::Hint));
    let examined = match &evidence.path_manager {
        Table::Read(_) => format!(
            "checked {} and {}",
            counted(evidence.endpoints().count(), "endpoint"),
            counted(evidence.connections.iter().filter(|live| !live.is_plain()).count(), "live connection")
        ),
        Table::Missing | Table::Unreadable(_) => "the endpoints could not be read".to_owned(),
    };
    if findings.is_empty() {
        return format!("no problems found; {examined}\n");
    }
    format!("{}, {}; {examined}\n", counted(faults, "fault"), counted(hints, "hint"))
}

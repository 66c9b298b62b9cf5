//! The test connection of `doctor --probe`.

use std::fmt::Write;

use serde::Serialize;

use crate::doctor::{Evidence, SubflowResult, SubflowStage, subflow_results};
use crate::model::{AddressId, ProbeConnection, ProbeOutcome, Protocol};

use super::{Colour, Style, wrap};

/// The object for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProbeJson<'a> {
    target: &'a str,
    peer: Option<String>,
    protocol: Option<&'a str>,
    watched_ms: Option<u128>,
    errors: &'a [String],
    endpoints: Vec<SubflowResultJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct SubflowResultJson<'a> {
    endpoint: Option<&'a str>,
    address: String,
    id: Option<u8>,
    stage: &'a str,
    detail: String,
    rtt_us: Option<u128>,
}

impl<'a> ProbeJson<'a> {
    /// The object; none without `--probe`.
    pub fn new(evidence: &'a Evidence) -> Option<ProbeJson<'a>> {
        let probe = evidence.probe.as_ref()?;
        let result = |result: SubflowResult<'a>| SubflowResultJson {
            endpoint: evidence.names.get(&result.row.identity).map(String::as_str),
            address: result.row.identity.address.to_string(),
            id: result.row.id.map(AddressId::get),
            stage: result.stage.word(),
            detail: result.detail,
            rtt_us: result.rtt.map(|rtt| rtt.as_micros()),
        };
        let (watched, errors) = match &probe.outcome {
            ProbeOutcome::Connected(watched) => (Some(watched), &[][..]),
            ProbeOutcome::Failed(errors) => (None, &errors[..]),
        };
        Some(ProbeJson {
            target: &probe.target,
            peer: watched.map(|watched| watched.peer.to_string()),
            protocol: watched.map(|watched| watched.protocol.word()),
            watched_ms: watched.map(|watched| watched.lasted.as_millis()),
            errors,
            endpoints: subflow_results(evidence).into_iter().map(result).collect(),
        })
    }
}

/// The section for people: a heading, and one line an endpoint.
pub fn text(evidence: &Evidence, style: Style) -> String {
    let Some(probe) = &evidence.probe else { return String::new() };
    let mut text = match &probe.outcome {
        ProbeOutcome::Failed(_) => return format!("probe of {}: no connection\n\n", probe.target),
        ProbeOutcome::Connected(watched) => format!("probe of {}: {}\n", probe.target, heading(watched)),
    };
    let results = subflow_results(evidence);
    let names: Vec<[String; 2]> = results
        .iter()
        .map(|SubflowResult { row, .. }| {
            [row.identity.to_string(), evidence.names.get(&row.identity).cloned().unwrap_or_default()]
        })
        .collect();
    let width = |column: usize| names.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (address, name) = (width(0), width(1));
    for (result, names) in results.iter().zip(&names) {
        let word = format!("{:11}", result.stage.word());
        let word = match colour(result.stage) {
            Some(colour) => style.paint(colour, &word),
            None => word,
        };
        let line = format!("{:address$}  {:name$}", names[0], names[1]);
        // Two spaces before each column.
        let indent = 2 + 11 + 2 + line.chars().count() + 2;
        let mut details = wrap(&detail(result), indent).into_iter();
        let first = details.next().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", format!("  {word}  {line}  {first}").trim_end());
        for more in details {
            let _ = writeln!(text, "{:indent$}{more}", "");
        }
    }
    text.push('\n');
    text
}

fn heading(watched: &ProbeConnection) -> String {
    let seconds = watched.lasted.as_secs_f64();
    let speaks = match watched.protocol {
        Protocol::Mptcp => "speaks MPTCP",
        Protocol::Tcp => "plain TCP",
        Protocol::Unknown => "subflows not shown to this user",
    };
    let end = if watched.ended { ", ended by the peer" } else { "" };
    format!("{} {speaks}, watched for {seconds:.1} s{end}", watched.peer)
}

fn colour(stage: SubflowStage) -> Option<Colour> {
    match stage {
        SubflowStage::Established => Some(Colour::Green),
        SubflowStage::Announced => None,
        SubflowStage::NotTried(_) => Some(Colour::Yellow),
        SubflowStage::Closed
        | SubflowStage::Refused(_)
        | SubflowStage::Unanswered
        | SubflowStage::NotSent(_) => Some(Colour::Red),
    }
}

fn detail(result: &SubflowResult<'_>) -> String {
    let rtt = result.rtt.map(|rtt| format!("rtt {:.1} ms", rtt.as_secs_f64() * 1000.0));
    let words = Some(result.detail.clone()).filter(|words| !words.is_empty());
    rtt.into_iter().chain(words).collect::<Vec<_>>().join(", ")
}

//! The picture of the times: how many times the C floor each contestant takes, on a scale of powers.

use std::fmt::Write;

use super::cases::name;
use super::goals;
use super::measure::{Figures, Measured};
use super::report::Machine;
use super::{Result, netns};

/// What is shown of all that is measured, and what it is called.
const CASES: [(&str, &str); 3] = [
    ("no-op", "Nothing to do: 8 endpoints and limits are as declared"),
    ("first-apply", "First apply: 8 endpoints and limits"),
    ("one-flag", "One endpoint becomes a backup"),
];
/// The widths of names, bars and figures, and the heights of headings and bars.
const NAMES: f64 = 170.0;
const BARS: f64 = 460.0;
const FIGURES: f64 = 90.0;
const HEADING: f64 = 34.0;
const BAR: f64 = 20.0;
/// Above all, and below.
const TOP: f64 = 58.0;
const BOTTOM: f64 = 88.0;
/// Bars begin at once the floor.
const TICKS: [f64; 7] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];
/// Readable on light and on dark ground.
const STYLE: &str = "\
    text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-size: 16px; font-weight: 600 }
    .case { font-weight: 600 } .small { font-size: 11px; fill: #57606a } .tick { stroke: #d0d7de }
    .ours { fill: #1a7f37 } .floor { fill: #8c959f } .peer { fill: #bf6a02 } .ground { fill: #ffffff }
    @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #8d96a0 } .tick { stroke: #30363d } .ground { fill: #0d1117 }
    .ours { fill: #3fb950 } .floor { fill: #6e7681 } .peer { fill: #d29922 } }";

/// What is told apart by colour, in the order in which it is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Ours,
    Peer,
    Floor,
}

impl Kind {
    /// What the style calls it.
    fn class(self) -> &'static str {
        match self {
            Kind::Ours => "ours",
            Kind::Peer => "peer",
            Kind::Floor => "floor",
        }
    }
}

/// A group of bars.
struct Group {
    heading: String,
    bars: Vec<Bar>,
}

/// What one contestant takes, as a multiple of the C program that is 1.
struct Bar {
    name: String,
    kind: Kind,
    multiple: f64,
}

/// Draws it.
///
/// # Errors
/// When a case of it was not measured.
pub fn svg(machine: &Machine, measured: &[Measured]) -> Result<String> {
    let largest = netns::COUNTS.into_iter().max().ok_or("no namespaces")?;
    let many = format!("{largest} network namespaces, nothing to do in any");
    let cases = CASES.map(|(case, heading)| (case.to_owned(), heading.to_owned()));
    let groups: Vec<Group> = cases
        .into_iter()
        .chain([(netns::case_name(largest), many)])
        .map(|(case, heading)| {
            let case = goals::case(measured, &case).ok_or_else(|| format!("{case} was not measured"))?;
            let mut bars: Vec<Bar> = case.contestants.iter().filter_map(bar).collect();
            bars.sort_by(|one, other| {
                one.kind.cmp(&other.kind).then(one.multiple.total_cmp(&other.multiple))
            });
            Ok(Group { heading, bars })
        })
        .collect::<Result<_>>()?;
    let heights = groups.iter().map(|group| HEADING + BAR * group.bars.len() as f64);
    let inner: f64 = heights.sum();
    let (width, height) = (NAMES + BARS + FIGURES, TOP + inner + BOTTOM);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>Times of mptcp-apply and its peers as multiples of a minimal C \
         program</title>\n<style>\n{STYLE}\n</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n"
    );
    line(&mut text, "title", 12.0, 24.0, "Time of a whole run, as a multiple of the least that C needs")?;
    line(
        &mut text,
        "small",
        12.0,
        42.0,
        "Medians. Logarithmic scale: each step to the right multiplies. Shorter is faster.",
    )?;
    axis(&mut text, inner)?;
    bars(&mut text, &groups)?;
    let legend = [
        "mptcp-apply (green) reads files, locks, compares, writes, reads back, reports, and undoes all when a step is refused.",
        "ip and pyroute2 (orange) only read, or only write blindly. The floors (grey) only exchange the messages.",
        &format!("Linux {}, {}, {} x {}", machine.kernel, machine.iproute2, machine.cpus, machine.cpu),
    ];
    for (index, words) in legend.into_iter().enumerate() {
        line(&mut text, "small", 12.0, TOP + inner + 40.0 + 16.0 * index as f64, words)?;
    }
    Ok(text + "</svg>\n")
}

fn bar(figures: &Figures) -> Option<Bar> {
    let kind = match figures.name.as_str() {
        name::OURS | name::OURS_MUSL => Kind::Ours,
        name::FLOOR_MUSL | name::FLOOR | name::BARE => Kind::Floor,
        _ => Kind::Peer,
    };
    Some(Bar { name: figures.name.clone(), kind, multiple: figures.ratio_to_floor? })
}

/// How far to the right a multiple is.
fn x(multiple: f64) -> f64 {
    let most = TICKS[TICKS.len() - 1];
    NAMES + BARS * (multiple.clamp(1.0, most).ln() / most.ln())
}

fn line(text: &mut String, class: &str, x: f64, y: f64, words: &str) -> Result<()> {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(text, "<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\">{words}</text>")?;
    Ok(())
}

fn axis(text: &mut String, inner: f64) -> Result<()> {
    for tick in TICKS {
        let (x, bottom) = (x(tick), TOP + inner + 6.0);
        writeln!(text, "<line class=\"tick\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>")?;
        line(text, "small", x - 8.0, bottom + 14.0, &format!("{tick}x"))?;
    }
    Ok(())
}

fn bars(text: &mut String, groups: &[Group]) -> Result<()> {
    let mut y = TOP;
    for Group { heading, bars } in groups {
        y += HEADING;
        line(text, "case", 12.0, y - 10.0, heading)?;
        for Bar { name, kind, multiple } in bars {
            line(text, "name", 24.0, y + 14.0, name)?;
            // The floor itself would have no width.
            let width = (x(*multiple) - NAMES).max(2.0);
            let height = BAR - 5.0;
            writeln!(
                text,
                "<rect class=\"{}\" x=\"{NAMES}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"{height}\"/>",
                kind.class(),
                y + 2.0
            )?;
            let figure =
                if *multiple < 100.0 { format!("{multiple:.1}x") } else { format!("{multiple:.0}x") };
            line(text, "figure", NAMES + width + 6.0, y + 14.0, &figure)?;
            y += BAR;
        }
    }
    Ok(())
}

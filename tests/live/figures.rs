//! The figures of many runs as Markdown.

use std::collections::BTreeMap;
use std::fmt::Display;

use clap::ValueEnum;

use super::Run;
use super::orders::{Kind, Order};

/// From how many seconds on a gap is a stall, and a long one.
const STALL: f64 = 1.0;
const LONG_STALL: f64 = 3.0;

/// A table for each situation: kernel, links, direction and number of connections.
pub fn tables(runs: &[Run]) -> String {
    let mut situations: BTreeMap<String, BTreeMap<(Kind, Order), Vec<&Run>>> = BTreeMap::new();
    for run in runs {
        let title = format!(
            "Linux {}, three links of {} Mbit/s and {} ms each way, {}, data {}, connections: {}",
            run.kernel,
            run.rate,
            run.delay,
            run.congestion,
            word(&run.direction),
            run.connections
        );
        situations.entry(title).or_default().entry((run.kind, run.order)).or_default().push(run);
    }
    situations.into_iter().map(|(title, cells)| format!("\n{title}\n\n{}", table(&cells))).collect()
}

fn table(cells: &BTreeMap<(Kind, Order), Vec<&Run>>) -> String {
    let mut lines =
        "| change | order | runs | stalls of 1 s | of 3 s | median gap | longest | subflows lost | took |\n\
                     | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    let orders: Vec<Order> = Order::value_variants()
        .iter()
        .copied()
        .filter(|it| cells.keys().any(|(_, order)| order == it))
        .collect();
    for ((kind, order), runs) in cells {
        lines += &line(word(kind), word(order), runs);
    }
    for order in orders {
        let all: Vec<&Run> = cells
            .iter()
            .filter(|((_, of), _)| *of == order)
            .flat_map(|(_, runs)| runs.iter().copied())
            .collect();
        lines += &line("together".to_owned(), word(&order), &all);
    }
    lines
}

fn line(kind: impl Display, order: impl Display, runs: &[&Run]) -> String {
    let sorted = |of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(|run| of(run)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (gaps, seconds) = (sorted(|run| run.gap), sorted(|run| run.seconds));
    let stalls = |least: f64| gaps.iter().filter(|gap| **gap >= least).count();
    let lost: usize = runs.iter().map(|run| run.subflows_before.saturating_sub(run.subflows_after)).sum();
    let subflows: usize = runs.iter().map(|run| run.subflows_before).sum();
    format!(
        "| {kind} | {order} | {} | {} | {} | {:.2} s | {:.2} s | {lost} of {subflows} | {:.2} s |\n",
        runs.len(),
        stalls(STALL),
        stalls(LONG_STALL),
        median(&gaps),
        gaps.last().copied().unwrap_or_default(),
        median(&seconds)
    )
}

/// Of at least one value, sorted.
fn median(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// As on the command line.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

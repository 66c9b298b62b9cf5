//! Kinds of changes, and the orders in which they are carried out.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Result;
use super::scene::Scene;

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The id of the second endpoint.
    One,
    /// The id of the first endpoint, whose address is that of the connections' first subflow.
    First,
    /// The ids of two of the three.
    TwoOfThree,
    /// All ids.
    All,
    /// Two endpoints swap their ids.
    Swapped,
    /// No endpoint has a device any more.
    Dev,
    /// All endpoints are announced too.
    Signal,
    /// All endpoints get `fullmesh`. The program changes that in place.
    Fullmesh,
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The program under test.
    Apply,
    /// `ip mptcp endpoint flush`, then all are added.
    Flush,
    /// All that change are deleted, then added.
    Delete,
    /// One after the other is deleted and added, 0.3 s apart.
    OneByOne,
    /// No change at all: how restless the machine is.
    Nothing,
}

/// A row of the table, but for its address: the link's number tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Row {
    link: usize,
    id: u8,
    has_dev: bool,
    flags: &'static str,
}

const BEFORE: [Row; 3] = [row(1), row(2), row(3)];

const fn row(link: usize) -> Row {
    Row { link, id: link as u8, has_dev: true, flags: "subflow" }
}

impl Row {
    fn add(self) -> String {
        let Row { link, id, has_dev, flags } = self;
        let dev = if has_dev { format!(" dev c{link}") } else { String::new() };
        format!("mptcp endpoint add 10.1.{link}.1{dev} id {id} {flags}\n")
    }

    fn delete(self) -> String {
        format!("mptcp endpoint delete id {}\n", self.id)
    }

    fn declaration(self) -> String {
        let Row { link, id, has_dev, flags } = self;
        let dev = if has_dev { format!("dev: c{link}, ") } else { String::new() };
        let flags = flags.replace(' ', ", ");
        format!("  link{link}: {{address: 10.1.{link}.1, {dev}id: {id}, flags: [{flags}]}}\n")
    }
}

impl Kind {
    fn after(self) -> [Row; 3] {
        let [first, second, third] = BEFORE;
        let other_id = |row: Row| Row { id: row.id + 10, ..row };
        let flags = |flags| BEFORE.map(|row| Row { flags, ..row });
        match self {
            Kind::One => [first, other_id(second), third],
            Kind::First => [other_id(first), second, third],
            Kind::TwoOfThree => [other_id(first), other_id(second), third],
            Kind::All => BEFORE.map(other_id),
            Kind::Swapped => [first, Row { id: third.id, ..second }, Row { id: second.id, ..third }],
            Kind::Dev => BEFORE.map(|row| Row { has_dev: false, ..row }),
            Kind::Signal => flags("signal subflow"),
            Kind::Fullmesh => flags("subflow fullmesh"),
        }
    }
}

/// The lines that make the table before a change.
pub fn before() -> String {
    BEFORE.map(Row::add).concat()
}

/// Makes a change. Whether the program warned that data does not flow.
pub fn carry_out(scene: &Scene, kind: Kind, order: Order) -> Result<bool> {
    let changes: Vec<(Row, Row)> =
        BEFORE.into_iter().zip(kind.after()).filter(|(before, after)| before != after).collect();
    let added = || changes.iter().map(|(_, after)| after.add());
    let deleted = || changes.iter().map(|(before, _)| before.delete());
    match order {
        Order::Apply => return apply(scene, kind),
        Order::Flush => {
            scene.client.ip(&("mptcp endpoint flush\n".to_owned() + &kind.after().map(Row::add).concat()))?;
        }
        Order::Delete => scene.client.ip(&deleted().chain(added()).collect::<String>())?,
        Order::OneByOne => {
            for lines in one_by_one(&changes) {
                scene.client.ip(&lines)?;
                std::thread::sleep(Duration::from_millis(300));
            }
        }
        Order::Nothing => {}
    }
    Ok(false)
}

/// What happens at once. An endpoint whose id another one still has is added one turn later.
fn one_by_one(changes: &[(Row, Row)]) -> Vec<String> {
    let mut taken: Vec<u8> = changes.iter().map(|(before, _)| before.id).collect();
    let mut waiting: Vec<Row> = Vec::new();
    let mut turns = Vec::new();
    for (before, after) in changes {
        taken.retain(|id| *id != before.id);
        waiting.push(*after);
        let mut lines = before.delete();
        if !taken.contains(&waiting[0].id) {
            lines += &waiting.remove(0).add();
        }
        turns.push(lines);
    }
    turns.extend(waiting.into_iter().map(Row::add));
    turns
}

fn apply(scene: &Scene, kind: Kind) -> Result<bool> {
    let mut text = "version: 1\nendpoints:\n".to_owned();
    for row in kind.after() {
        text.write_str(&row.declaration())?;
    }
    let file = scene.folder.path().join("endpoints.yaml");
    fs::write(&file, text)?;
    let mut command = Command::new(&scene.program);
    command.args(["--format", "json"]).arg(&file).env("RUNTIME_DIRECTORY", scene.folder.path().join("run"));
    let output = scene.client.inside(|| command.output())?;
    let [printed, said] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if !output.status.success() {
        return Err(format!("the program ended by {}: {printed}{said}", output.status).into());
    }
    Ok(printed.contains("data-stalled"))
}

//! The work of one run in one namespace: nothing to do, a first apply, one flag, another table.
//!
//! - *no-op*: table and limits are as declared. `ip` and the floors read both, and compare them with nothing.
//! - *first-apply*: an empty table and the kernel's own limits become the declared ones. Everybody else writes blindly,
//!   without having looked before or looking afterwards.
//! - *one-flag*: one row becomes a backup.
//! - *replacement*: all rows give way to others with the same ids. Each removal costs a grace period of the kernel, some
//!   milliseconds, which all but the flush pay for each row; a flush leaves live connections without any path.

use std::ffi::OsString;
use std::path::PathBuf;

use mptcp_apply::model::{Flags, State};

use super::Result;
use super::measure::{Case, Contestant, Proof};
use super::process::Program;
use super::scene::{self, Scene, Words};

/// What contestants are called, in tables, JSON and goals.
pub mod name {
    /// The program, as `cargo build --release` makes it.
    pub const OURS: &str = "mptcp-apply";
    /// The program, linked to musl.
    pub const OURS_MUSL: &str = "mptcp-apply (musl)";
    /// `floor.c`
    pub const FLOOR_MUSL: &str = "C floor (musl)";
    /// `floor.c`
    pub const FLOOR: &str = "C floor (glibc)";
    /// `bare.rs`
    pub const BARE: &str = "bare Rust";
    /// One process of `ip`.
    pub const BATCH: &str = "ip -batch";
    /// One process of `ip` that does not remove rows one by one.
    pub const FLUSH: &str = "ip -batch, flush";
    /// A process of `ip` each.
    pub const LOOP: &str = "loop of ip";
    /// `peer.py`
    pub const PYROUTE2: &str = "pyroute2";
    /// A shell that reads `ip monitor`.
    pub const SCRIPT: &str = "ip monitor | sh";
}

/// The built programs, each at its place in the scene.
pub struct Programs {
    /// The release build.
    pub ours: Program,
    /// That linked to musl, where it is there.
    pub ours_musl: Option<Program>,
    /// All that understand the words of `floor.c`, with what they are called.
    pub peers: Vec<(&'static str, Program)>,
}

/// The four, as they are asked for.
pub const NAMES: [&str; 4] = ["no-op", "first-apply", "one-flag", "replacement"];

impl Programs {
    /// The program for one configuration.
    pub fn ours(&self, scene: &Scene, yaml: &str, proof: &Proof) -> Result<Vec<Contestant>> {
        let config = scene.write("config.yaml", yaml)?;
        let builds = [(name::OURS, Some(&self.ours)), (name::OURS_MUSL, self.ours_musl.as_ref())];
        let contestant = |(name, program): (_, Option<&Program>)| {
            let program = program?.clone().arg(&config);
            Some(Contestant { name, program, proof: proof.clone() })
        };
        Ok(builds.into_iter().filter_map(contestant).collect())
    }

    /// Those that are told all by words.
    pub fn by_words(&self, words: &[String], proof: &Proof) -> Vec<Contestant> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let contestant = |(name, program): &(&'static str, Program)| {
            let program = program.clone().args(words.iter().cloned());
            Contestant { name, program, proof: proof.clone() }
        };
        self.peers.iter().map(contestant).collect()
    }
}

/// Where the work begins and ends.
pub struct Tables {
    /// What is there, or comes to be.
    pub one: State,
    /// What takes its place.
    pub other: State,
    /// What stands before the names of the cases.
    pub prefix: &'static str,
}

impl Tables {
    /// The usual ones.
    pub fn usual() -> Result<Tables> {
        Ok(Tables { one: scene::usual()?, other: scene::plain(7, 8), prefix: "" })
    }

    /// As many rows as there are ids.
    pub fn full() -> Tables {
        Tables { one: scene::plain(9, u8::MAX), other: scene::plain(7, u8::MAX), prefix: "255-" }
    }

    /// A case by its name, and the kernel where it starts.
    pub fn case(&self, scene: &Scene, programs: &Programs, name: &str) -> Result<Case> {
        let writes = self.one.additions() + &scene::set_limits(self.one.limits);
        let flush = "mptcp endpoint flush\n";
        let empty = format!("{flush}mptcp limits set subflows 2 add_addr_accepted 0\n");
        let established = format!("{flush}{writes}");
        let mut case = match name {
            "no-op" => self.nothing(scene, programs)?,
            "first-apply" => self.first(scene, programs, &writes)?,
            "one-flag" => self.flag(scene, programs)?,
            _ => self.replacement(scene, programs)?,
        };
        match name {
            // All of it is done once, so that there is nothing left to do.
            "no-op" => {
                scene.batch("prepare", &established)?.run()?;
                scene.forget()?;
                programs.ours.clone().arg(scene.path("config.yaml")).run()?;
            }
            "first-apply" => case.prepare = Some(scene.batch("prepare", &empty)?),
            _ => case.prepare = Some(scene.batch("prepare", &established)?),
        }
        case.name = format!("{}{name}", self.prefix);
        Ok(case)
    }

    fn nothing(&self, scene: &Scene, programs: &Programs) -> Result<Case> {
        let count = self.one.endpoints.len();
        let read = "mptcp endpoint show\nmptcp limits show\n";
        let mut contestants = programs.ours(scene, &self.one.yaml(), &Proof::Says("no changes".into()))?;
        contestants.extend(programs.by_words(&["read".into()], &Proof::Says((count + 1).to_string())));
        contestants.extend(ips(scene, "read", read, Proof::Lines(count + 1))?);
        let title = format!("{count} endpoints and limits are as declared; the others only read them");
        Ok(case(title, &self.one, contestants))
    }

    fn first(&self, scene: &Scene, programs: &Programs, writes: &str) -> Result<Case> {
        let mut words = vec!["add".to_owned()];
        words.extend(
            [self.one.limits.subflows, self.one.limits.add_addr_accepted].map(|limit| limit.to_string()),
        );
        words.extend(self.one.rows());
        let mut contestants = programs.ours(scene, &self.one.yaml(), &Proof::Kernel)?;
        contestants.extend(programs.by_words(&words, &Proof::Kernel));
        contestants.extend(ips(scene, "write", writes, Proof::Kernel)?);
        let count = self.one.endpoints.len();
        let title =
            format!("an empty table becomes {count} endpoints, with limits; the others write blindly");
        Ok(case(title, &self.one, contestants))
    }

    fn flag(&self, scene: &Scene, programs: &Programs) -> Result<Case> {
        let mut to = self.one.clone();
        let row = to.endpoints.iter_mut().find(|row| row.flags == Flags::SUBFLOW);
        let row = row.ok_or("no row with subflow alone")?;
        row.flags = row.flags.union(Flags::BACKUP);
        let changed = scene::table(vec![row.clone()]);
        let id = row.id.ok_or("no id")?;
        let mut contestants = programs.ours(scene, &to.yaml(), &Proof::Kernel)?;
        let words = [vec!["flags".to_owned()], changed.rows()].concat();
        contestants.extend(programs.by_words(&words, &Proof::Kernel));
        // A loop would be the same process.
        let program = scene.batch("flag", &format!("mptcp endpoint change id {id} backup\n"))?;
        contestants.push(Contestant { name: name::BATCH, program, proof: Proof::Kernel });
        let title = format!(
            "one of {} endpoints becomes a backup; pyroute2 cannot but remove and add it",
            to.endpoints.len()
        );
        Ok(case(title, &to, contestants))
    }

    fn replacement(&self, scene: &Scene, programs: &Programs) -> Result<Case> {
        let to = &self.other;
        let mut contestants = programs.ours(scene, &to.yaml(), &Proof::Kernel)?;
        let words = [vec!["replace".to_owned()], to.rows()].concat();
        contestants.extend(programs.by_words(&words, &Proof::Kernel));
        contestants.extend(ips(scene, "replace", &(to.removals() + &to.additions()), Proof::Kernel)?);
        let program = scene.batch("flush", &("mptcp endpoint flush\n".to_owned() + &to.additions()))?;
        contestants.push(Contestant { name: name::FLUSH, program, proof: Proof::Kernel });
        let title = format!("{} endpoints give way to others with the same ids", to.endpoints.len());
        Ok(case(title, to, contestants))
    }
}

/// One process of `ip`, and one for each line.
fn ips(scene: &Scene, file: &str, lines: &str, proof: Proof) -> Result<[Contestant; 2]> {
    let batch = scene.batch(file, lines)?;
    let each = scene.one_by_one(&format!("{file}.sh"), lines)?;
    Ok([(name::BATCH, batch), (name::LOOP, each)].map(|(name, program)| Contestant {
        name,
        program,
        proof: proof.clone(),
    }))
}

fn case(title: String, wanted: &State, contestants: Vec<Contestant>) -> Case {
    Case { name: String::new(), title, prepare: None, wanted: Some(wanted.clone()), contestants }
}

/// Puts the built programs in their places.
pub fn install(scene: &Scene, paths: &super::Paths) -> Result<Programs> {
    let install = |name: &str, path: &PathBuf| scene.install(name, path).map(Program::new);
    let option =
        |name: &str, path: &Option<PathBuf>| path.as_ref().map(|path| install(name, path)).transpose();
    let mut peers = Vec::new();
    peers.extend(option("floor-musl", &paths.floor_musl)?.map(|program| (name::FLOOR_MUSL, program)));
    peers.push((name::FLOOR, install("floor", &paths.floor)?));
    peers.extend(option("bare", &paths.bare)?.map(|program| (name::BARE, program)));
    if let Some(python) = &paths.python {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/peer.py");
        peers.push((name::PYROUTE2, Program::new(python).arg(script)));
    }
    Ok(Programs {
        ours: install("mptcp-apply", &paths.program)?,
        ours_musl: option("mptcp-apply-musl", &paths.musl)?,
        peers,
    })
}

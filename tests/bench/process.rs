//! A program with its arguments, to be run many times: plainly, or under something that counts.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::Result;

/// What is started.
#[derive(Clone)]
pub struct Program(Vec<OsString>);

impl Program {
    /// A program by its whole path.
    pub fn new(path: impl Into<OsString>) -> Program {
        Program(vec![path.into()])
    }

    /// The path of a program of this system.
    pub fn which(name: &str) -> Result<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| format!("there is no `{name}` here").into())
    }

    /// A program of this system.
    pub fn find(name: &str) -> Result<Program> {
        Program::which(name).map(Program::new)
    }

    /// With another argument.
    pub fn arg(mut self, word: impl Into<OsString>) -> Program {
        self.0.push(word.into());
        self
    }

    /// With more arguments.
    pub fn args<T: Into<OsString>>(mut self, words: impl IntoIterator<Item = T>) -> Program {
        self.0.extend(words.into_iter().map(Into::into));
        self
    }

    /// This one, started by another that is told of it by its last arguments.
    pub fn under(&self, other: Program) -> Program {
        other.args(self.0.iter().cloned())
    }

    /// In an environment that is the same everywhere.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).env_clear().env("LC_ALL", "C.UTF-8");
        command.env("RUNTIME_DIRECTORY", "/run/bench/runtime").stdin(Stdio::null());
        command
    }

    /// How long it takes from spawn to exit, which has to be a success. What it says on the way is thrown away.
    pub fn run(&self) -> Result<Duration> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status().map_err(|error| format!("cannot start {self}: {error}"))?;
        let time = start.elapsed();
        if status.success() { Ok(time) } else { self.output().map(|_| time) }
    }

    /// What it says when it succeeds.
    pub fn output(&self) -> Result<Output> {
        let output = self.command().output().map_err(|error| format!("cannot start {self}: {error}"))?;
        if output.status.success() {
            return Ok(output);
        }
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        Err(format!("{self} ended by {}: {out}{err}", output.status).into())
    }
}

/// Its words, but not hundreds of them.
impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const WORDS_MAX: usize = 12;
        let words: Vec<_> = self.0.iter().take(WORDS_MAX).map(|word| word.to_string_lossy()).collect();
        let more = if self.0.len() > WORDS_MAX { " ..." } else { "" };
        write!(f, "`{}{more}`", words.join(" "))
    }
}

/// What is said of what cannot be asked.
pub const UNKNOWN: &str = "unknown";

/// The first line that a program of this system prints, for what is said of the machine.
pub fn first_line(name: &str, argument: impl AsRef<OsStr>) -> String {
    let output = Command::new(name).arg(argument).output();
    let line = output
        .ok()
        .and_then(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned));
    line.unwrap_or_else(|| UNKNOWN.to_owned())
}

//! `net.mptcp.*` through `/proc/sys`, which shows each task the values of its own network namespace.
//!
//! The kernel keeps the folders `mptcp` of all network namespaces that were ever opened in one list, and walks it at each
//! access (`proc_sys_compare`). With 500 namespaces one access costs twice as much as reading the endpoints, and opening
//! each folder costs the square of their number. So only what is needed is read.

use std::fs::{self, File};
use std::io::{self, Write};

use rustix::io::retry_on_intr;

use crate::model::{Sysctl, SysctlValue};
use crate::system::{Errno, Error, Refusal};

const FOLDER: &str = "/proc/sys/net/mptcp";

/// The most bytes of a value: a page, the most that the kernel writes.
const LENGTH_MAX: usize = 4096;

/// The two words for one setting: `path_manager` by name and, older, `pm_type` by number.
const PATH_MANAGERS: [(&str, u64); 2] = [("kernel", 0), ("userspace", 1)];

/// Reads a value; none when this kernel has no such sysctl.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(sysctl: Sysctl) -> Result<Option<SysctlValue>, Error> {
    let own = value(sysctl.name())?;
    match (own, other_word(sysctl)) {
        (None, Some(other)) => Ok(value(other.name())?.map(|value| translate(&value))),
        (own, _) => Ok(own),
    }
}

/// Writes a value.
///
/// # Errors
/// The error number with which the kernel refuses it.
pub fn write(sysctl: Sysctl, value: &SysctlValue) -> Result<(), Refusal> {
    let result = match (put(sysctl.name(), value), other_word(sysctl)) {
        (Err(error), Some(other)) if error.kind() == io::ErrorKind::NotFound => {
            put(other.name(), &translate(value))
        }
        (result, _) => result,
    };
    result.map_err(|error| Refusal::new(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))
}

/// The packet schedulers that the kernel has; none before Linux 6.10, which does not list them.
///
/// # Errors
/// As [`read`].
pub fn available_schedulers() -> Result<Option<Vec<String>>, Error> {
    let text = text("available_schedulers")?;
    Ok(text.map(|text| text.split_whitespace().map(str::to_owned).collect()))
}

fn other_word(sysctl: Sysctl) -> Option<Sysctl> {
    match sysctl {
        Sysctl::PATH_MANAGER => Some(Sysctl::PM_TYPE),
        Sysctl::PM_TYPE => Some(Sysctl::PATH_MANAGER),
        _ => None,
    }
}

/// The value of one of the two settings, as the other one expresses it.
fn translate(value: &SysctlValue) -> SysctlValue {
    for (word, number) in PATH_MANAGERS {
        match value {
            SysctlValue::Word(given) if given == word => return SysctlValue::Number(number),
            SysctlValue::Number(given) if *given == number => return SysctlValue::Word(word.to_owned()),
            _ => {}
        }
    }
    value.clone()
}

fn value(name: &str) -> Result<Option<SysctlValue>, Error> {
    Ok(text(name)?.map(|text| SysctlValue::parse(&text)))
}

fn text(name: &str) -> Result<Option<String>, Error> {
    let path = format!("{FOLDER}/{name}");
    // One read suffices: the kernel writes a value as a whole. The files report no size.
    let mut bytes = [0; LENGTH_MAX];
    let read = |file| retry_on_intr(|| rustix::io::read(&file, &mut bytes)).map_err(io::Error::from);
    match File::open(&path).and_then(read) {
        Ok(length) => Ok(Some(String::from_utf8_lossy(&bytes[..length]).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Io(format!("read {path}"), error)),
    }
}

fn put(name: &str, value: &SysctlValue) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(format!("{FOLDER}/{name}"))?;
    file.write_all(value.to_string().as_bytes())
}

//! Reads one input: checks its size, its encoding, and whether its owner may decide what root does.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;

use crate::model::diagnostic::{Diagnostic, Diagnostics, Location, SourceId, Span, lines};
use crate::model::{code, escaped_path, shell_word};

use super::{InputPath, Origin, ReadError};

/// The largest file, in bytes.
pub const FILE_MAX: u64 = 1 << 20;

/// The text of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name in messages.
    pub name: String,
    /// The whole text; empty after an error, which is reported.
    pub text: String,
}

/// Reads every input. Errors in the contents become diagnostics; `trust` collects the permissions that are too open for
/// files that decide what root does.
///
/// # Errors
/// When an input cannot be read at all.
pub fn read(
    inputs: &[InputPath],
    diagnostics: &mut Diagnostics,
    trust: &mut Vec<Diagnostic>,
) -> Result<Vec<SourceFile>, ReadError> {
    let mut sources = Vec::with_capacity(inputs.len());
    for input in inputs {
        if let InputPath::File { path, .. } = input {
            log::info!("reading {}", path.display());
        }
        let (name, bytes) = match input {
            InputPath::StandardInput => {
                ("<stdin>".to_owned(), read_limited(io::stdin().lock(), 0, Path::new("<stdin>"))?)
            }
            InputPath::File { path, origin } => {
                let name = path.display().to_string();
                (name, file(path, *origin, trust)?)
            }
            InputPath::Skipped(path) => {
                let message = format!("{} is not read", escaped_path(path));
                let help = "names of configuration files end with .yaml: rename it";
                diagnostics.push(Diagnostic::warning(code::FILE_SKIPPED, message).help(help));
                continue;
            }
        };
        sources.push(decode(name, bytes, SourceId::new(sources.len()), diagnostics));
    }
    Ok(sources)
}

fn file(path: &Path, origin: Origin, trust: &mut Vec<Diagnostic>) -> Result<Vec<u8>, ReadError> {
    let failed = |error| ReadError::Io { path: path.into(), error };
    // Opening a pipe must not wait for its writer, and what was looked at before may be another file now.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let mut file = File::from(opened.map_err(|error| failed(error.into()))?);
    let metadata = file.metadata().map_err(failed)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if origin == Origin::Named && !kind.is_file() {
        // A pipe or a terminal may be named, and is waited for.
        file = File::open(path).map_err(failed)?;
    } else if kind.is_fifo() {
        return Err(failed(io::Error::other("it is a pipe, not a file")));
    }
    trust.extend(check_permissions(path, &metadata, origin));
    // A user who can write to the folder can add files, and one who can write to the folder above can replace it. The
    // folder of a named file was the choice of the user who named it: those of Kubernetes' volumes are writable.
    let above = match origin {
        Origin::Installed => usize::MAX,
        Origin::InNamedFolder => 2,
        Origin::Named | Origin::Followed => 0,
    };
    for (level, folder) in path.ancestors().skip(1).take(above).enumerate() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let metadata = fs::metadata(folder).map_err(failed)?;
        // In sticky folders, other users than the owner replace only what is their own.
        if is_sticky(&metadata) && is_trusted(metadata.uid()) && level > 0 {
            continue;
        }
        // Reported once for all files of the folder.
        let finding = check_permissions(folder, &metadata, origin);
        trust.extend(finding.filter(|finding| !trust.contains(finding)));
    }
    read_limited(file, metadata.len(), path)
}

/// Reads the whole input, but stops after the first read beyond the allowed size, so that an endless input ends too. A
/// read that returns exactly the expected size, although the buffer had room for more, is the last one.
fn read_limited(input: impl AsFd, expected: u64, path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(FILE_MAX)).unwrap_or(0) + 1);
    loop {
        bytes.reserve(1);
        let read = retry_on_intr(|| rustix::io::read(&input, spare_capacity(&mut bytes)));
        let count = read.map_err(|error| ReadError::Io { path: path.into(), error: error.into() })?;
        let length = bytes.len() as u64;
        if count == 0 || length == expected || length > FILE_MAX {
            return Ok(bytes);
        }
    }
}

/// Decodes the bytes of a file to text. More bytes than [`FILE_MAX`] mean that the file is too large.
pub fn decode(name: String, bytes: Vec<u8>, source: SourceId, diagnostics: &mut Diagnostics) -> SourceFile {
    let at = |line, column| Location { source, span: Span::new(line, column, 1) };
    if bytes.len() as u64 > FILE_MAX {
        let message = format!("{name} is larger than 1 MiB");
        diagnostics.push(
            Diagnostic::error(code::FILE_SIZE, message).at(at(1, 1), "").help("split it into several files"),
        );
        return SourceFile { name, text: String::new() };
    }
    match String::from_utf8(bytes) {
        Ok(text) => SourceFile { name, text },
        Err(error) => {
            let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            let line = lines(&valid).count();
            let column = lines(&valid).last().unwrap_or_default().chars().count() + 1;
            diagnostics.push(
                Diagnostic::error(code::ENCODING, "the file is not UTF-8")
                    .at(at(line, column), "")
                    .help("convert it, for instance with `iconv -t utf-8`"),
            );
            SourceFile { name, text: String::from_utf8_lossy(error.as_bytes()).into_owned() }
        }
    }
}

/// Whether a file's owner is not mapped into the user namespace of this process, such as the host's root in a rootless
/// container. Such an owner appears as the overflow uid, and no range of the namespace's map contains it.
fn is_unmapped(owner: u32) -> bool {
    /// The default of `/proc/sys/kernel/overflowuid`, which is never changed in practice.
    const OVERFLOW_UID: u32 = 65534;
    let maps = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().unwrap_or(0));
        let (first, _outside, count) = (numbers.next(), numbers.next(), numbers.next());
        first.zip(count).is_some_and(|(first, count)| (first..first + count).contains(&OVERFLOW_UID.into()))
    };
    let unmapped = |map: String| !map.lines().any(maps);
    owner == OVERFLOW_UID && fs::read_to_string("/proc/self/uid_map").is_ok_and(unmapped)
}

/// Whether what this user owns is root's, or that of the user of this process.
fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw() || is_unmapped(owner)
}

fn is_sticky(metadata: &Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    metadata.mode() & STICKY != 0
}

/// Checks whether users other than root can change a file or folder that decides what root does.
fn check_permissions(path: &Path, metadata: &Metadata, origin: Origin) -> Option<Diagnostic> {
    const OTHERS_WRITE: u32 = 0o002;
    const GROUP_WRITES: u32 = 0o020;
    let word = || shell_word(&path.to_string_lossy());
    let (owner, mode) = (metadata.uid(), metadata.mode());
    // A device such as /dev/null masks a file and declares nothing; every user may write to it.
    if metadata.file_type().is_char_device() {
        return None;
    }
    let (reason, remedy) = if mode & OTHERS_WRITE != 0 {
        ("every user can write to it".to_owned(), format!("chmod go-w {}", word()))
    } else if !is_trusted(owner) {
        (format!("it belongs to user {owner}, not to root"), format!("chown root {}", word()))
    } else if mode & GROUP_WRITES != 0 {
        (format!("group {} can write to it", metadata.gid()), format!("chmod g-w {}", word()))
    } else {
        return None;
    };
    let message = format!("{} decides what root does, but {reason}", escaped_path(path));
    let diagnostic = match origin {
        Origin::Named | Origin::Followed | Origin::InNamedFolder if mode & OTHERS_WRITE == 0 => {
            Diagnostic::warning(code::FILE_PERMISSIONS, message)
        }
        _ => Diagnostic::error(code::FILE_PERMISSIONS, message),
    };
    Some(diagnostic.help(remedy))
}

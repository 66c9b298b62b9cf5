//! Finds the configuration files: standard folders or arguments, and which file hides which.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ReadError;

/// The standard folders, as in netplan: a file hides files of the same name in the folders before its own.
const FOLDERS: [&str; 3] = ["usr/lib/mptcp-apply", "etc/mptcp-apply", "run/mptcp-apply"];

/// An input to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputPath {
    /// `-`
    StandardInput,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// How it was found, which decides the permissions that it needs.
        origin: Origin,
    },
    /// A file in a folder that looks meant, and is not read, such as `*.yml`.
    Skipped(PathBuf),
}

/// How a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a standard folder, which is read at every boot.
    Installed,
    /// Named on the command line.
    Named,
    /// Named on the command line of a watch.
    Followed,
    /// In a folder that is named on the command line.
    InNamedFolder,
}

/// Finds the inputs, in the order in which later ones win: those that `paths` names, or the standard ones below `root`.
///
/// # Errors
/// When there is no input, when a named one does not exist, and when a folder cannot be listed.
pub fn find(paths: &[PathBuf], root: &Path) -> Result<Vec<InputPath>, ReadError> {
    if paths.is_empty() {
        return standard(root);
    }
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            if inputs.contains(&InputPath::StandardInput) {
                return Err(ReadError::StandardInputTwice);
            }
            inputs.push(InputPath::StandardInput);
        } else {
            inputs.extend(named(path)?);
        }
    }
    Ok(inputs)
}

/// The paths in which [`find`] looks: those that are named, or the standard folders below `root`.
pub fn search_paths(paths: &[PathBuf], root: &Path) -> Vec<PathBuf> {
    if paths.is_empty() { FOLDERS.map(|folder| root.join(folder)).into() } else { paths.to_vec() }
}

/// The same inputs for a watch, which reads them again and again.
pub fn followed(mut inputs: Vec<InputPath>) -> Vec<InputPath> {
    for input in &mut inputs {
        if let InputPath::File { origin: origin @ Origin::Named, .. } = input {
            *origin = Origin::Followed;
        }
    }
    inputs
}

fn named(path: &Path) -> Result<Vec<InputPath>, ReadError> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.into()),
        _ => ReadError::Io { path: path.into(), error },
    })?;
    if !metadata.is_dir() {
        return Ok(vec![InputPath::File { path: path.into(), origin: Origin::Named }]);
    }
    let (names, skipped) = yaml_files(path).map_err(|error| ReadError::Io { path: path.into(), error })?;
    if names.is_empty() {
        return Err(ReadError::EmptyFolder { folder: path.into(), skipped });
    }
    let file = |name| InputPath::File { path: path.join(name), origin: Origin::InNamedFolder };
    Ok(names.into_iter().map(file).chain(skipped.into_iter().map(InputPath::Skipped)).collect())
}

fn standard(root: &Path) -> Result<Vec<InputPath>, ReadError> {
    let folders = FOLDERS.map(|folder| root.join(folder));
    let mut by_name: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let mut all_skipped = Vec::new();
    for folder in &folders {
        match yaml_files(folder) {
            Ok((names, skipped)) => {
                all_skipped.extend(skipped);
                for name in names {
                    let path = folder.join(&name);
                    if let Some(hidden) = by_name.insert(name, path.clone()) {
                        log::info!("{} is hidden by {}", hidden.display(), path.display());
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ReadError::Io { path: folder.clone(), error }),
        }
    }
    if by_name.is_empty() {
        return Err(ReadError::NoneFound { folders: folders.into(), skipped: all_skipped });
    }
    let files = by_name.into_values().map(|path| InputPath::File { path, origin: Origin::Installed });
    Ok(files.chain(all_skipped.into_iter().map(InputPath::Skipped)).collect())
}

/// Whether a file in a folder is read: `*.yaml`, without hidden files, as in a shell's glob.
pub fn is_configuration(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".yaml") && !name.starts_with(b".")
}

/// Whether a file that is not read may be meant to be: one letter of its ending is wrong, or it is JSON, which is YAML too.
/// Copies of editors, such as `edge.yaml~`, are not meant.
fn looks_meant(path: &Path) -> bool {
    let is_hidden = path.as_os_str().as_encoded_bytes().starts_with(b".");
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    let is_near = || strsim::damerau_levenshtein(&ending, "yaml") <= 1;
    let is_word = ending.bytes().all(|byte| byte.is_ascii_lowercase());
    !is_hidden && is_word && (ending == "json" || is_near())
}

/// The names of the configuration files in a folder, in order, and the paths of those that may be meant as such.
fn yaml_files(folder: &Path) -> io::Result<(Vec<OsString>, Vec<PathBuf>)> {
    let (mut names, mut skipped) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if is_configuration(Path::new(&name)) {
            names.push(name);
        } else if looks_meant(Path::new(&name)) {
            skipped.push(folder.join(name));
        }
    }
    names.sort();
    skipped.sort();
    Ok((names, skipped))
}

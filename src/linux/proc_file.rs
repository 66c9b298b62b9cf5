//! Files of `/proc` and `/sys`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Room for most of them. `fs::read_to_string`, to which they report no size, begins with 32 bytes and reads nine times
/// where two times suffice.
const ROOM: usize = 8 * 1024;

/// The text of such a file.
///
/// # Errors
/// When it cannot be read, or is not UTF-8. The error names it: it is not the file that a message is about.
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::with_capacity(ROOM);
    let file = File::open(path.as_ref());
    // Only a file of unknown length is not asked for it first.
    match file.and_then(|file| file.take(u64::MAX).read_to_string(&mut text)) {
        Ok(_) => Ok(text),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.as_ref().display()))),
    }
}

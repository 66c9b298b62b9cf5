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
/// When it cannot be read, or is not UTF-8.
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::with_capacity(ROOM);
    // Only a file of unknown length is not asked for it first.
    File::open(path)?.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

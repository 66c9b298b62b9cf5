//! Files that are replaced as a whole: readers see the old text or the new one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes a file that all users can read, by way of `new` in the same folder.
///
/// # Errors
/// When it cannot be written. Nothing is left in the folder then.
pub fn replace(path: &Path, new: &Path, text: &str) -> io::Result<()> {
    // Left behind by a run that was killed, or anything else; what is made then is this user's own file.
    let _ = fs::remove_file(new);
    let written = File::options().write(true).create_new(true).mode(0o644).open(new).and_then(|mut file| {
        // Others read it, whatever this process hides of its files otherwise.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())
    });
    written.and_then(|()| fs::rename(new, path)).inspect_err(|_| {
        // Half a file would only fill a full disk further.
        let _ = fs::remove_file(new);
    })
}

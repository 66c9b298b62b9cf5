//! The one way to wait on several descriptors: `poll(2)`.
//!
//! A signal does not end a wait. What its handler has to say must come by a descriptor.

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until one of these can be read, has hung up or is broken, `at_most` that long; for ever if that is none. The
/// answer says which, in their order; none of them when the time is over.
///
/// # Errors
/// When the kernel cannot wait, for lack of memory or for more descriptors than `RLIMIT_NOFILE`.
pub fn readable<'a>(
    descriptors: impl IntoIterator<Item = BorrowedFd<'a>>,
    at_most: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let each = descriptors.into_iter().map(|one| PollFd::from_borrowed_fd(one, PollFlags::IN));
    let mut all: Vec<PollFd<'_>> = each.collect();
    wait(&mut all, at_most)?;
    Ok(all.iter().map(is_ready).collect())
}

/// The same for any events. Whether there was one before the time was over.
///
/// # Errors
/// As [`readable`].
pub fn wait(descriptors: &mut [PollFd<'_>], at_most: Option<Duration>) -> io::Result<bool> {
    // A moment that the clock never reaches is none.
    let end = at_most.and_then(|time| Instant::now().checked_add(time));
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(descriptors, timeout.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether something was found there.
pub fn is_ready(descriptor: &PollFd<'_>) -> bool {
    !descriptor.revents().is_empty()
}

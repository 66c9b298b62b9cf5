//! The one way to wait on several descriptors: `poll(2)`.
//!
//! A signal does not end a wait. What its handler has to say must come by a descriptor.

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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_ready_is_named() {
        let (quiet, _other) = UnixStream::pair().expect("sockets");
        let (full, mut writer) = UnixStream::pair().expect("sockets");
        let (gone, _) = UnixStream::pair().expect("sockets");
        let all = || [quiet.as_fd(), full.as_fd(), gone.as_fd()];
        writer.write_all(b"x").expect("written");
        assert_eq!(readable(all(), None).expect("waited"), [false, true, true]);
        let start = Instant::now();
        let time = Duration::from_millis(30);
        assert_eq!(readable([quiet.as_fd()], Some(time)).expect("waited"), [false]);
        assert!(start.elapsed() >= time);
        assert_eq!(readable(all(), Some(Duration::MAX)).expect("waited"), [false, true, true]);
    }
}

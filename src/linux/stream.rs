//! Standard output and standard error, also for processes that must not wait for a reader.
//!
//! A write waits for its reader, as usual, unless [`never_wait`] was called. Then a reader that stopped reading loses lines,
//! and they are counted. The descriptors are shared with other processes, so that O_NONBLOCK must not be set on them: pipes
//! and terminals are opened again for it, and sockets have MSG_DONTWAIT.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::wait;

/// How long a reader may take for one text. One that took longer is not waited for until it reads again.
const PATIENCE: Duration = Duration::from_millis(200);

/// What poll(2) promises to have room for in a pipe that can be written (`PIPE_BUF`).
const PIECE: usize = 4096;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

static IMPATIENT: [Mutex<Option<Outlet>>; 2] = [const { Mutex::new(None) }; 2];

/// From now on no write of this process waits for a reader longer than a moment.
///
/// # Errors
/// When there are too many open files.
pub fn never_wait() -> io::Result<()> {
    for (stream, fd) in [
        (Stream::Output, io::stdout().as_fd().try_clone_to_owned()?),
        (Stream::Error, io::stderr().as_fd().try_clone_to_owned()?),
    ] {
        *IMPATIENT[stream as usize].lock().unwrap_or_else(PoisonError::into_inner) = Some(Outlet::of(fd));
    }
    Ok(())
}

/// Writes all of a text, or nothing of it where the reader does not read.
///
/// # Errors
/// When the stream cannot be written, now or ever.
pub fn write(stream: Stream, text: &str) -> io::Result<()> {
    let mut outlet = IMPATIENT[stream as usize].lock().unwrap_or_else(PoisonError::into_inner);
    let Some(outlet) = &mut *outlet else {
        return match stream {
            Stream::Output => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
            }
            Stream::Error => io::stderr().write_all(text.as_bytes()),
        };
    };
    let note = match outlet.make_way()? {
        0 => String::new(),
        count => format!("{count} lines were dropped, since standard {} was not read\n", stream.word()),
    };
    match stream {
        Stream::Output => {
            if !note.is_empty() {
                write(Stream::Error, &note)?;
            }
            outlet.write(text)
        }
        Stream::Error => outlet.write(&(note + text)),
    }
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Stream::Output => "output",
            Stream::Error => "error",
        }
    }
}

struct Outlet {
    fd: OwnedFd,
    is_socket: bool,
    /// What is left of a text of which a part was written.
    rest: Vec<u8>,
    /// How many lines were not written since the last one that was.
    dropped: usize,
}

impl Outlet {
    fn of(fd: OwnedFd) -> Outlet {
        let kind = rustix::fs::fstat(&fd).map(|metadata| FileType::from_raw_mode(metadata.st_mode));
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let again = || rustix::fs::open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty());
        let is_socket = kind == Ok(FileType::Socket);
        let fd = match kind {
            // Where that fails, for instance after su(1), writes in small pieces block hardly ever.
            Ok(FileType::Fifo | FileType::CharacterDevice) => again().unwrap_or(fd),
            _ => fd,
        };
        Outlet { fd, is_socket, rest: Vec::new(), dropped: 0 }
    }

    /// Writes what is left of the last text. How many lines were dropped, if there is room again.
    fn make_way(&mut self) -> io::Result<usize> {
        let rest = std::mem::take(&mut self.rest);
        let written = self.push(&rest, Duration::ZERO)?;
        self.rest = rest[written..].to_vec();
        let has_room = self.rest.is_empty() && self.dropped > 0 && self.can_write(Duration::ZERO)?;
        Ok(if has_room { std::mem::take(&mut self.dropped) } else { 0 })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let is_stuck = !self.rest.is_empty() || self.dropped > 0;
        match if is_stuck { 0 } else { self.push(text.as_bytes(), PATIENCE)? } {
            0 => self.dropped += text.matches('\n').count(),
            written => self.rest = text.as_bytes()[written..].to_vec(),
        }
        Ok(())
    }

    /// Writes as much as the reader takes in this time, and returns how much that was.
    fn push(&self, bytes: &[u8], patience: Duration) -> io::Result<usize> {
        let (start, mut written) = (Instant::now(), 0);
        while written < bytes.len() && self.can_write(patience.saturating_sub(start.elapsed()))? {
            let piece = &bytes[written..bytes.len().min(written + PIECE)];
            let result = match self.is_socket {
                true => rustix::net::send(&self.fd, piece, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
                false => rustix::io::write(&self.fd, piece),
            };
            match result {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }

    fn can_write(&self, patience: Duration) -> io::Result<bool> {
        wait::wait(&mut [PollFd::new(&self.fd, PollFlags::OUT)], Some(patience))
    }
}

use std::io::Read;
use std::os::unix::net::UnixStream;

use super::*;

fn drops_and_continues(writer: OwnedFd, mut reader: impl Read) {
    let mut outlet = Outlet::of(writer);
    let line = format!("{}\n", "x".repeat(99_999));
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(outlet.make_way().expect("open"), 0);
        outlet.write(&line).expect("open");
    }
    assert!(start.elapsed() < 10 * PATIENCE, "{:?}", start.elapsed());
    assert!(outlet.dropped > 10, "{}", outlet.dropped);
    let dropped = outlet.dropped;
    let mut read = vec![0; (20 - dropped) * line.len()];
    let part = read.len() - outlet.rest.len();
    reader.read_exact(&mut read[..part]).expect("it was written");
    let mut counted = 0;
    while counted == 0 {
        counted = outlet.make_way().expect("open");
        if counted == 0 {
            let mut some = [0; PIECE];
            let _ = reader.read(&mut some).expect("the rest");
        }
    }
    assert_eq!(counted, dropped);
}

#[test]
fn a_reader_that_does_not_read_loses_lines() {
    let (reader, writer) = io::pipe().expect("a pipe");
    drops_and_continues(writer.into(), reader);
    let (reader, writer) = UnixStream::pair().expect("sockets");
    drops_and_continues(writer.into(), reader);
}

/// The descriptor itself is shared with others, who do wait.
#[test]
fn the_shared_descriptor_stays_as_it_is() {
    let (_reader, writer) = io::pipe().expect("a pipe");
    let outlet = Outlet::of(writer.try_clone().expect("cloned").into());
    let is_nonblocking =
        |fd: &dyn AsFd| rustix::fs::fcntl_getfl(fd.as_fd()).expect("open").contains(OFlags::NONBLOCK);
    assert!(is_nonblocking(&outlet.fd) && !is_nonblocking(&writer));
}

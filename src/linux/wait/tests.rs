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

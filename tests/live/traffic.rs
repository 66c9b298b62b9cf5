//! Connections that move as much data as they can, and how long each end received nothing.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_congestion};
use rustix::net::{AddressFamily, SocketType, acceptfrom, bind, connect, ipproto, listen, socket};
use serde::{Deserialize, Serialize};

use super::Result;
use super::scene::{SERVICE, Scene};

/// How often what waits looks whether it is to end.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client, whose endpoints change.
    Up,
    /// To it.
    Down,
    Both,
}

impl Gap {
    fn none() -> Gap {
        Gap { length: Duration::ZERO, start: Instant::now() }
    }
}

/// Connections between the hosts. They end with the value.
pub struct Traffic {
    connections: Vec<[End; 2]>,
    /// Subflows can join only as long as it listens.
    _listener: OwnedFd,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// One end of a connection.
struct End {
    stream: TcpStream,
    clock: Arc<Mutex<Clock>>,
}

struct Clock {
    last: Instant,
    longest: Gap,
}

/// A time without data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// How long it was.
    pub length: Duration,
    /// When it began.
    pub start: Instant,
}

impl Clock {
    fn tick(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(Gap { length: now - self.last, start: self.last });
        self.last = now;
    }
}

impl Traffic {
    /// Opens that many connections. A byte goes each way: only then does the kernel open more subflows.
    ///
    /// The congestion control is that of the sockets: namespaces may have those only that every user may choose.
    pub fn new(scene: &Scene, count: usize, congestion: &str) -> Result<Traffic> {
        let service: SocketAddr = SERVICE.parse()?;
        let mptcp = || socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP));
        let listener = scene.server.inside(|| {
            let listener = mptcp()?;
            set_socket_reuseaddr(&listener, true)?;
            bind(&listener, &service)?;
            listen(&listener, 64)?;
            rustix::io::Result::Ok(listener)
        })?;
        let mut connections = Vec::new();
        for _ in 0..count {
            let client = scene.client.inside(|| {
                let client = mptcp()?;
                connect(&client, &service)?;
                rustix::io::Result::Ok(client)
            })?;
            let ends = [client, acceptfrom(&listener)?.0];
            ends.iter().try_for_each(|end| set_tcp_congestion(end, congestion))?;
            let mut ends = ends.map(TcpStream::from);
            for from in 0..2 {
                ends[from].write_all(b"x")?;
                ends[1 - from].read_exact(&mut [0])?;
            }
            let [client, server] = ends.map(End::new);
            connections.push([client?, server?]);
        }
        let stop = Arc::new(AtomicBool::new(false));
        Ok(Traffic { connections, _listener: listener, stop, threads: Vec::new() })
    }

    /// Lets data flow, until the connections end.
    pub fn start(&mut self, direction: Direction) {
        let mut threads = Vec::new();
        for [client, server] in &self.connections {
            let pairs = [(Direction::Up, client, server), (Direction::Down, server, client)];
            for (_, from, to) in pairs.into_iter().filter(|(way, ..)| direction.has(*way)) {
                let mut from = from.stream.try_clone().expect("a descriptor");
                let (mut to, clock) = (to.stream.try_clone().expect("a descriptor"), Arc::clone(&to.clock));
                let stop = Arc::clone(&self.stop);
                threads.push(until(stop, move || from.write(&[0; 16384])));
                let (stop, mut bytes) = (Arc::clone(&self.stop), vec![0; 1 << 16]);
                threads.push(until(stop, move || {
                    let count = to.read(&mut bytes)?;
                    clock.lock().expect("no panic").tick();
                    Ok(count)
                }));
            }
        }
        self.threads = threads;
    }

    /// Gaps count from now on; those that have begun, from their beginning.
    pub fn begin(&self) {
        for end in self.connections.iter().flatten() {
            end.clock.lock().expect("no panic").longest = Gap::none();
        }
    }

    /// The longest gap of any end that is to receive something.
    pub fn longest_gap(&self, direction: Direction) -> Gap {
        let gap = |end: &End| {
            let mut clock = end.clock.lock().expect("no panic");
            clock.tick();
            clock.longest
        };
        let gaps = self.connections.iter().flat_map(|[client, server]| {
            let receivers = [(Direction::Up, server), (Direction::Down, client)];
            receivers.into_iter().filter(|(way, _)| direction.has(*way)).map(|(_, end)| gap(end))
        });
        gaps.max().unwrap_or_else(Gap::none)
    }
}

impl Drop for Traffic {
    /// What was sent and is not read makes the kernel end a connection at once; otherwise it would go on until all of it is.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().expect("no panic"));
    }
}

/// Does something again and again, for as long as the connection lasts and is not stopped.
fn until(
    stop: Arc<AtomicBool>,
    mut act: impl FnMut() -> io::Result<usize> + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            match act() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) | Ok(0) => return,
                Ok(_) => {}
            }
        }
    })
}

impl End {
    fn new(stream: TcpStream) -> io::Result<End> {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        let clock = Clock { last: Instant::now(), longest: Gap::none() };
        Ok(End { stream, clock: Arc::new(Mutex::new(clock)) })
    }
}

impl Direction {
    fn has(self, way: Direction) -> bool {
        self == Direction::Both || self == way
    }
}

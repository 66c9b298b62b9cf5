//! The two ends of a live MPTCP connection, and a witness of its paths, each in a process of its own inside a namespace.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, acceptfrom, bind, connect, ipproto, listen, socket};

use crate::support::{Namespace, allowed, kernel_release};

const ROLE: &str = "MPTCP_APPLY_TEST_PEER";

/// One process. It ends with the value.
pub struct Peer {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Accepts connections on this address and returns to them whatever it gets.
    #[track_caller]
    pub fn server(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("server {address}"), "listening")
    }

    /// The same by plain TCP.
    #[track_caller]
    pub fn plain_server(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("plain {address}"), "listening")
    }

    /// The same by plain TCP, as a program of this name.
    #[track_caller]
    pub fn plain_program(namespace: &Namespace, name: &str, address: &str) -> Peer {
        Peer::start(namespace, &format!("named-{name} {address}"), "listening")
    }

    /// Accepts connections on this address and closes them at once.
    #[track_caller]
    pub fn closing_server(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("closing {address}"), "listening")
    }

    /// Connects to this address and keeps sending something, which has to come back.
    #[track_caller]
    pub fn client(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("client {address}"), "connected")
    }

    /// Connects to this address, has one byte sent back, and is quiet from then on.
    #[track_caller]
    pub fn quiet_client(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("quiet {address}"), "connected")
    }

    /// Connects to this address and says nothing.
    #[track_caller]
    pub fn silent_client(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("silent {address}"), "connected")
    }

    /// Begins to connect to this address, which may never succeed.
    #[track_caller]
    pub fn knocking_client(namespace: &Namespace, address: &str) -> Peer {
        Peer::spawn(namespace, &format!("silent {address}"))
    }

    /// Connects to this address and sends as much as it can, which has to come back.
    #[track_caller]
    pub fn bulk_client(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("bulk {address}"), "connected")
    }

    /// Connects to this address 800 times, each time for a moment: more events than the kernel keeps.
    #[track_caller]
    pub fn crowd(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("crowd {address}"), "gone")
    }

    /// Begins a new connection by plain TCP every 50 ms, each with a second of time. Its answer is how many failed.
    #[track_caller]
    pub fn arrivals(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("arrivals {address}"), "arriving")
    }

    /// Watches how many subflows lead to the port of this address.
    #[track_caller]
    pub fn witness(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("witness {address}"), "watching")
    }

    #[track_caller]
    fn start(namespace: &Namespace, role: &str, ready: &str) -> Peer {
        let mut peer = Peer::spawn(namespace, role);
        let started = peer.output.by_ref().lines().map_while(Result::ok).any(|line| line == ready);
        assert!(started, "the {role} does not work");
        peer
    }

    #[track_caller]
    fn spawn(namespace: &Namespace, role: &str) -> Peer {
        let mut command = namespace.second_instance("peer::peer_process");
        command.env(ROLE, role);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a second instance starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Peer { child, output }
    }

    /// Ends it and takes its last word: bytes that came back to a client, or how long a witness saw no path.
    #[track_caller]
    pub fn ask(mut self) -> u64 {
        drop(self.child.stdin.take());
        let mut lines = self.output.by_ref().lines().map_while(Result::ok);
        let answer =
            lines.find_map(|line| line.strip_prefix("answer ").and_then(|number| number.parse().ok()));
        answer.expect("an answer of the other process")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test: what the second instance runs.
#[test]
#[ignore = "the other end of a connection, which tests start themselves"]
fn peer_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, address) = role.split_once(' ').expect("a role and an address");
    let address: SocketAddr = address.parse().expect("an address");
    match role {
        "server" => serve(mptcp_socket(address), address, echo),
        "closing" => serve(mptcp_socket(address), address, drop),
        "plain" => serve(plain_socket(), address, echo),
        "client" => talk(address, Duration::from_millis(5)),
        "bulk" => talk(address, Duration::ZERO),
        "silent" => {
            let _connection = connected(address);
            println!("\nconnected");
            let _ = std::io::stdin().read(&mut [0]);
        }
        "quiet" => be_quiet(address).expect("a byte comes back"),
        "crowd" => std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|_| drop(connected(address))));
            }
        }),
        "arrivals" => println!("answer {}", arrive(address)),
        "witness" => println!("answer {}", watch(address.port()).as_micros()),
        other => {
            let name = other.strip_prefix("named-").unwrap_or_else(|| panic!("no such role: {other}"));
            std::fs::write("/proc/self/comm", name).expect("named");
            serve(plain_socket(), address, echo);
        }
    }
    println!("\ngone");
}

fn plain_socket() -> std::os::fd::OwnedFd {
    socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket")
}

fn serve(socket: std::os::fd::OwnedFd, address: SocketAddr, treat: fn(TcpStream)) {
    bind(&socket, &address).expect("bound");
    listen(&socket, 1024).expect("listening");
    println!("\nlistening");
    loop {
        let (connection, _) = acceptfrom(&socket).expect("accepted");
        let connection = TcpStream::from(connection);
        std::thread::spawn(move || treat(connection));
    }
}

fn echo(mut connection: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = connection.read(&mut bytes) {
        if connection.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
}

fn talk(address: SocketAddr, pause: Duration) {
    match send_and_compare(address, pause) {
        Ok(came_back) => println!("answer {came_back}"),
        // Often enough the other end has just been ended. A peer that asks for an answer gets none.
        Err(error) => eprintln!("the connection ended: {error}"),
    }
}

/// Sends without waiting for answers, so that data is in flight all the time, and checks that all of it comes back. The
/// peer's endpoints are announced once data has been acknowledged, so it is connected when something has come back.
fn send_and_compare(address: SocketAddr, pause: Duration) -> std::io::Result<u64> {
    const PERIOD: usize = 251;
    let pattern: Vec<u8> = (0..PERIOD as u8).collect();
    let mut connection = connected(address);
    let mut answers = connection.try_clone()?;
    let reader = std::thread::spawn(move || {
        let (mut bytes, mut came_back) = ([0; 4096], 0);
        loop {
            let count = answers.read(&mut bytes)?;
            if came_back == 0 {
                println!("\nconnected");
            }
            let as_sent = |(at, byte): (usize, &u8)| usize::from(*byte) == (came_back + at) % PERIOD;
            assert!(bytes[..count].iter().enumerate().all(as_sent), "other bytes came back than were sent");
            came_back += count;
            if count == 0 {
                return Ok(came_back);
            }
        }
    });
    let (end, mut sent) = (until_standard_input_ends(), 0);
    if kernel_release() < (6, 12) {
        // It refuses subflows while data arrives by several paths, and they are not asked for again.
        connection.write_all(&pattern)?;
        sent += pattern.len();
        std::thread::sleep(allowed(Duration::from_millis(100)));
    }
    while !end.load(Ordering::Relaxed) {
        for _ in 0..16 {
            connection.write_all(&pattern)?;
            sent += pattern.len();
        }
        std::thread::sleep(pause);
    }
    connection.shutdown(std::net::Shutdown::Write)?;
    let came_back: std::io::Result<usize> = reader.join().expect("no panic");
    assert_eq!(came_back?, sent, "bytes that came back");
    Ok(sent as u64)
}

fn be_quiet(address: SocketAddr) -> std::io::Result<()> {
    let mut connection = connected(address);
    connection.write_all(b"x")?;
    connection.read_exact(&mut [0])?;
    println!("\nconnected");
    std::io::stdin().read(&mut [0]).map(drop)
}

fn connected(address: SocketAddr) -> TcpStream {
    let socket = mptcp_socket(address);
    connect(&socket, &address).expect("connected");
    TcpStream::from(socket)
}

fn arrive(address: SocketAddr) -> usize {
    let end = until_standard_input_ends();
    println!("\narriving");
    let mut all = Vec::new();
    while !end.load(Ordering::Relaxed) {
        all.push(std::thread::spawn(move || {
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err()
        }));
        std::thread::sleep(Duration::from_millis(50));
    }
    all.into_iter().filter_map(|one| one.join().ok()).filter(|failed| *failed).count()
}

/// For how long, in all, there was no established subflow to this port after there had been one.
fn watch(port: u16) -> Duration {
    let to_port = format!(":{port:04X}");
    let is_path = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(2);
        words.next().is_some_and(|remote| remote.ends_with(&to_port)) && words.next() == Some("01")
    };
    let (mut seen, mut without) = (false, Duration::ZERO);
    let mut last = Instant::now();
    let end = until_standard_input_ends();
    println!("\nwatching");
    while !end.load(Ordering::Relaxed) {
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").expect("the sockets");
        let now = Instant::now();
        let paths = table.lines().any(is_path);
        if seen && !paths {
            without += now - last;
        }
        seen |= paths;
        last = now;
        std::thread::sleep(Duration::from_micros(200));
    }
    without
}

fn mptcp_socket(to: SocketAddr) -> std::os::fd::OwnedFd {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket(family, SocketType::STREAM, Some(ipproto::MPTCP)).expect("an MPTCP socket")
}

fn until_standard_input_ends() -> &'static AtomicBool {
    static END: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        END.store(true, Ordering::Relaxed);
    });
    &END
}

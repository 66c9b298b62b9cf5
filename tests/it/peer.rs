//! The two ends of a live MPTCP connection, each in a process of its own inside a namespace.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Stdio};

use rustix::net::{AddressFamily, SocketType, acceptfrom, bind, connect, ipproto, listen, socket};

use crate::support::Namespace;

const ROLE: &str = "MPTCP_APPLY_TEST_PEER";

/// One end. It ends with the value.
pub struct Peer {
    child: Child,
    /// Kept open, so that it can go on writing.
    _output: BufReader<ChildStdout>,
}

impl Peer {
    /// Accepts one connection on this address and returns to it whatever it gets.
    #[track_caller]
    pub fn server(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("server {address}"), "listening")
    }

    /// Connects to this address and sends something, until it has come back.
    #[track_caller]
    pub fn client(namespace: &Namespace, address: &str) -> Peer {
        Peer::start(namespace, &format!("client {address}"), "connected")
    }

    #[track_caller]
    fn start(namespace: &Namespace, role: &str, ready: &str) -> Peer {
        let mut command = namespace.second_instance("peer::peer_process");
        command.env(ROLE, role);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a second instance starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let started = output.by_ref().lines().map_while(Result::ok).any(|line| line == ready);
        assert!(started, "the {role} does not work");
        Peer { child, _output: output }
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
    let socket =
        socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)).expect("an MPTCP socket");
    if role == "server" {
        bind(&socket, &address).expect("bound");
        listen(&socket, 1).expect("listening");
        println!("\nlistening");
        let (connection, _) = acceptfrom(&socket).expect("accepted");
        let mut connection = TcpStream::from(connection);
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = connection.read(&mut bytes) {
            connection.write_all(&bytes[..count]).expect("sent back");
        }
        return;
    }
    connect(&socket, &address).expect("connected");
    let mut connection = TcpStream::from(socket);
    // The peer's endpoints are announced once data has been acknowledged.
    let mut answer = [0; 5];
    connection.write_all(b"hello").expect("sent");
    connection.read_exact(&mut answer).expect("came back");
    println!("\nconnected");
    let _ = std::io::stdin().read(&mut [0]);
}

//! How soon `--watch` renews an endpoint: from the appearance of a route to the subflow that it was missing, on a live
//! connection to another network namespace. Its witness are the kernel's sockets, which are looked at again and again.
//!
//! The peer is a shell that reads `ip monitor route`, and removes the endpoint and adds it again.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use mptcp_apply::linux::LinuxPathManager;
use mptcp_apply::system::PathManager;
use nix::sched::{CloneFlags, unshare};
use rustix::net::{AddressFamily, SocketType, acceptfrom, bind, connect, ipproto, listen, socket};

use super::Result;
use super::cases::{Programs, name};
use super::measure::{Figures, Measured};
use super::process::Program;
use super::scene::Scene;
use super::watching::{Feed, PATIENCE, QUIET, ROUNDS, Running, ours, watch};

/// What it is called.
pub const NAME: &str = "watch-route";
const SERVICE: &str = "10.79.9.9:5000";
/// The address whose subflow comes and goes, and the route that it needs.
const SECOND: &str = "10.79.2.1";
const ROUTE: &str = "10.79.9.9 via 10.79.2.2 dev way2 table 79";
/// How long the program gives a new connection to get its subflows by itself, and a little more.
const GRACE: Duration = Duration::from_millis(2200);

/// Measures both.
pub fn measure(scene: &Scene, programs: &Programs, rounds: usize) -> Result<Measured> {
    let rounds = rounds.min(ROUNDS);
    serve(scene)?;
    let row = format!("mptcp endpoint add {SECOND} dev way2 id 2 subflow\n");
    scene.batch("prepare", &format!("mptcp endpoint flush\n{row}mptcp limits set subflows 4\n"))?.run()?;
    let mut connection = open()?;
    let _talk = thread::spawn(move || {
        let mut byte = [0];
        while connection.write_all(&[1]).and_then(|()| connection.read_exact(&mut byte)).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let yaml =
        format!("version: 1\nendpoints:\n  two: {{address: {SECOND}, dev: way2, id: 2, flags: [subflow]}}\n");
    let watching = watch(scene, programs, &yaml)?;
    let mut ip = Feed::start(scene)?;
    // The first look at the connection, from which its age counts.
    thread::sleep(QUIET);
    ip.tell("address add 10.79.7.7/32 dev lo")?;
    thread::sleep(GRACE);
    let times = appearances(&mut ip, rounds)?;
    let ours = ours(times, watching.peak()?);
    drop(watching);
    let path = scene.ip.display();
    let text = format!(
        "{path} -o monitor route | while read -r what rest; do\n\
         \x20   [ \"$what\" = 10.79.9.9 ] && {{ {path} mptcp endpoint delete id 2; {path} {} ; }}\n\
         done\n",
        row.trim()
    );
    let script =
        Running::start(&mut Program::new("/bin/sh").arg(scene.write("monitor.sh", &text)?).command())?;
    thread::sleep(GRACE);
    let script_times = appearances(&mut ip, rounds)?;
    drop(script);
    let title = "--watch: from a route's appearance to the subflow that lacked it".to_owned();
    let contestants = vec![ours, Figures::of(name::SCRIPT, script_times)];
    Ok(Measured { case: NAME.to_owned(), title, contestants })
}

/// How long the subflow takes from its route, each time.
fn appearances(ip: &mut Feed, rounds: usize) -> Result<Vec<Duration>> {
    let mut host = LinuxPathManager::open()?;
    let mut times = Vec::new();
    for round in 0..=rounds {
        thread::sleep(QUIET * 2);
        let start = ip.tell(&format!("route add {ROUTE}"))?;
        wait_for(&mut host, 1)?;
        if round > 0 {
            times.push(start.elapsed());
        }
        thread::sleep(QUIET);
        ip.tell(&format!("route delete {ROUTE}"))?;
        thread::sleep(QUIET);
        Program::find("ss")?.args(["-K", "src", SECOND]).run()?;
        wait_for(&mut host, 0)?;
        // The kernel reports no subflow that is gone, so that something else has to be seen.
        ip.tell("address add 10.79.7.8/32 dev lo")?;
        ip.tell("address delete 10.79.7.8/32 dev lo")?;
    }
    Ok(times)
}

/// Waits until so many subflows are established from the second address.
fn wait_for(host: &mut LinuxPathManager, count: usize) -> Result<()> {
    let second: IpAddr = SECOND.parse()?;
    let start = Instant::now();
    while host.subflows()?.iter().filter(|it| it.established && it.local == second).count() != count {
        if start.elapsed() > PATIENCE {
            return Err(format!("after {PATIENCE:?} there were not {count} subflows from {SECOND}").into());
        }
        thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

/// Starts a server in a network namespace of its own, which two ways lead to. It lasts as long as this process.
fn serve(scene: &Scene) -> Result<()> {
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let ip = scene.ip.clone();
    thread::spawn(move || {
        if let Err(error) = answer(&ip, &tell, &gone) {
            eprintln!("the server has ended: {error}");
        }
    });
    let there = told.recv()?;
    let mut lines = String::new();
    for n in [1, 2] {
        lines += &format!("link add way{n} type veth peer name far{n} netns {there}\n");
        lines += &format!("address add 10.79.{n}.1/24 dev way{n}\nlink set way{n} up\n");
    }
    lines += "route add 10.79.9.9 via 10.79.1.2 dev way1\nrule add from 10.79.2.1 table 79\n";
    scene.batch("ways", &lines)?.run()?;
    go.send(())?;
    told.recv()?;
    Ok(())
}

/// Says which thread it is, waits for the ways, and says when it listens; then it returns what it gets.
fn answer(ip: &Path, tell: &Sender<String>, gone: &Receiver<()>) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let thread = fs::read_link("/proc/thread-self")?;
    tell.send(thread.file_name().unwrap_or_default().to_string_lossy().into_owned())?;
    gone.recv()?;
    for line in [
        "link set lo up",
        "address add 10.79.9.9/32 dev lo",
        "address add 10.79.1.2/24 dev far1",
        "address add 10.79.2.2/24 dev far2",
        "link set far1 up",
        "link set far2 up",
        "mptcp limits set subflows 4",
    ] {
        Program::new(ip).args(line.split(' ')).run()?;
    }
    let listener = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP))?;
    bind(&listener, &SERVICE.parse::<SocketAddr>()?)?;
    listen(&listener, 1)?;
    tell.send(String::new())?;
    let mut stream = TcpStream::from(acceptfrom(&listener)?.0);
    let mut byte = [0];
    while stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {}
    Ok(())
}

fn open() -> Result<TcpStream> {
    let stream = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP))?;
    connect(&stream, &SERVICE.parse::<SocketAddr>()?)?;
    Ok(TcpStream::from(stream))
}

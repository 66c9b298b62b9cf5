//! Where it is measured: a network namespace of its own with two pairs of links, a folder for files, and the tables of
//! endpoints between which the contestants move.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mptcp_apply::linux::LinuxPathManager;
use mptcp_apply::model::{AddressId, Device, Endpoint, Flags, Identity, Limits, State};
use mptcp_apply::system::{HostFacts, PathManager, Scope};
use tempfile::TempDir;

use super::Result;
use super::process::Program;

/// On a file system of this process's own. Always the same, since the length of a path is work too.
const FOLDER: &str = "/run/bench";
/// Where programs are started: a folder on disk, as the one of `ip` is. From memory each page of a file is mapped by itself,
/// which costs a large program a quarter of its time.
const PROGRAMS: &str = "/run/bench/programs";

/// Address, id, flags and device. Those that open subflows have one, since a warning would cost time.
const ENDPOINTS: [(&str, u8, &str, Option<&str>); 8] = [
    ("192.0.2.1", 1, "subflow", Some("bench0")),
    ("192.0.2.2", 2, "subflow backup", Some("bench1")),
    ("2001:db8::3", 3, "subflow fullmesh", Some("bench2")),
    ("192.0.2.4", 4, "subflow", Some("bench3")),
    ("192.0.2.5", 5, "signal", None),
    ("192.0.2.6", 6, "signal backup", None),
    ("2001:db8::7", 7, "signal", None),
    ("192.0.2.8", 8, "signal", None),
];
/// The limits that go with every table.
pub const LIMITS: Limits = Limits { subflows: 8, add_addr_accepted: 4 };

/// The namespace and the folder.
pub struct Scene {
    /// `ip`, by its whole path: looking it up would count too.
    pub ip: PathBuf,
    /// What [`PROGRAMS`] is elsewhere.
    _disk: TempDir,
}

impl Scene {
    /// Takes this process's namespaces for it. Copies of programs will lie beside the one that was `built`, if this user
    /// can write there.
    ///
    /// # Errors
    /// When the namespaces are not its own, or `ip` is not there.
    pub fn new(built: &Path) -> Result<Scene> {
        let disk = TempDir::new_in(built.parent().unwrap_or(built)).or_else(|_| TempDir::new())?;
        let mount = Program::find("mount")?;
        mount.clone().args(["-t", "tmpfs", "-o", "mode=755", "none", "/run"]).run()?;
        fs::create_dir_all(PROGRAMS)?;
        mount.arg("--bind").arg(disk.path()).arg(PROGRAMS).run()?;
        let scene = Scene { ip: Program::which("ip")?, _disk: disk };
        let mut links = String::from("link set lo up\n");
        for (one, other) in [("bench0", "bench1"), ("bench2", "bench3")] {
            links += &format!("link add {one} type veth peer name {other}\n");
            // Nothing is to happen later by itself: no link-local addresses, no duplicate address detection.
            links += &format!("link set {one} addrgenmode none\nlink set {other} addrgenmode none\n");
            links += &format!("link set {one} up\nlink set {other} up\n");
        }
        for (address, _, _, dev) in ENDPOINTS {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            links += &format!("address add {address} dev {}{nodad}\n", dev.unwrap_or("lo"));
        }
        scene.batch("links", &links)?.run()?;
        Ok(scene)
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(FOLDER).join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text)?;
        // A file that a group could write to would be worth a warning, and writing that some time.
        fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        Ok(path)
    }

    /// A copy of a program, at a path that is the same on every machine.
    pub fn install(&self, name: &str, from: &Path) -> Result<PathBuf> {
        let path = Path::new(PROGRAMS).join(name);
        fs::copy(from, &path).map_err(|error| format!("{}: {error}", from.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// One process of `ip` for these lines.
    pub fn batch(&self, name: &str, lines: &str) -> Result<Program> {
        Ok(Program::new(&self.ip).arg("-batch").arg(self.write(name, lines)?))
    }

    /// A process of `ip` for each of these lines, started by a shell.
    pub fn one_by_one(&self, name: &str, lines: &str) -> Result<Program> {
        let ip = self.ip.display();
        let script: String = lines.lines().map(|line| format!("{ip} {line}\n")).collect();
        Ok(Program::new("/bin/sh").arg("-e").arg(self.write(name, &script)?))
    }

    /// Forgets what was applied: that is new too at a first apply.
    pub fn forget(&self) -> Result<()> {
        match fs::remove_dir_all(self.path("runtime")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// What is in the kernel now.
pub fn read() -> Result<State> {
    Ok(LinuxPathManager::open()?.observe(&Scope::default())?.state)
}

/// The usual table: all kinds of flags, both families, half of the rows with a device.
pub fn usual() -> Result<State> {
    let mut host = LinuxPathManager::open()?;
    let mut endpoints = Vec::new();
    for (address, id, flags, dev) in ENDPOINTS {
        let mut row = endpoint(address.parse()?, id);
        row.flags = flags.split(' ').filter_map(Flags::named).fold(Flags::default(), Flags::union);
        if let Some(name) = dev {
            let index = host.interface(name)?.ok_or("the links are not there")?;
            row.dev = Some(Device { index, name: Some(name.to_owned()) });
        }
        endpoints.push(row);
    }
    Ok(table(endpoints))
}

/// So many rows with ids from 1 in a network of their own, that have nothing special.
pub fn plain(network: u8, count: u8) -> State {
    let address = |id| IpAddr::from(Ipv4Addr::new(10, network, 0, id));
    table((1..=count).map(|id| endpoint(address(id), id)).collect())
}

/// These rows, and the limits.
pub fn table(endpoints: Vec<Endpoint>) -> State {
    State { limits: LIMITS, sysctls: Default::default(), endpoints, uplinks: None }
}

fn endpoint(address: IpAddr, id: u8) -> Endpoint {
    let identity = Identity { address, port: None };
    Endpoint { identity, id: AddressId::new(id), dev: None, flags: Flags::SIGNAL }
}

/// A table as the contestants want to be told of it.
pub trait Words {
    /// A configuration.
    fn yaml(&self) -> String;
    /// Lines for `ip` that add the rows.
    fn additions(&self) -> String;
    /// Lines for `ip` that remove the rows one by one.
    fn removals(&self) -> String;
    /// Lines for `ip` that give a host the addresses of the rows.
    fn addresses(&self) -> String;
    /// A word a row, as `floor.c` takes them.
    fn rows(&self) -> Vec<String>;
}

impl Words for State {
    fn yaml(&self) -> String {
        let Limits { subflows, add_addr_accepted } = self.limits;
        let mut text = format!(
            "version: 1\nlimits:\n  subflows: {subflows}\n  add-addr-accepted: {add_addr_accepted}\nendpoints:\n"
        );
        for (row, id) in rows(self) {
            let (address, flags) = (row.identity, row.flags.words().join(", "));
            text += &format!("  path{id}:\n    address: {address}\n    id: {id}\n    flags: [{flags}]\n");
            text += &row.dev.iter().map(|dev| format!("    dev: {dev}\n")).collect::<String>();
        }
        text
    }

    fn additions(&self) -> String {
        self.endpoints.iter().map(|row| format!("mptcp endpoint add {row}\n")).collect()
    }

    fn removals(&self) -> String {
        rows(self).map(|(_, id)| format!("mptcp endpoint delete id {id}\n")).collect()
    }

    fn addresses(&self) -> String {
        self.endpoints.iter().map(|row| format!("address add {} dev lo\n", row.identity)).collect()
    }

    fn rows(&self) -> Vec<String> {
        let word = |(row, id): (&Endpoint, u8)| {
            let index = row.dev.as_ref().map_or(0, |dev| dev.index.get());
            format!("{},{id},{},{index}", row.identity, row.flags.bits())
        };
        rows(self).map(word).collect()
    }
}

/// The rows with their ids: all have one here.
fn rows(state: &State) -> impl Iterator<Item = (&Endpoint, u8)> {
    state.endpoints.iter().filter_map(|row| Some((row, row.id?.get())))
}

/// The line for `ip` that sets the limits.
pub fn set_limits(limits: Limits) -> String {
    let Limits { subflows, add_addr_accepted } = limits;
    format!("mptcp limits set subflows {subflows} add_addr_accepted {add_addr_accepted}\n")
}

//! What keeps a second writer out of a network namespace, and the record of the endpoints that this program made there.
//!
//! Two locks do the first. A name in the namespace itself cannot be removed while its holder lives, and is the same for
//! all runtime folders; but any user can take it first. A file in the runtime folder is this user's alone.
//!
//! File and record are named after the namespace's cookie, which no other namespace gets until the next boot. The record is a
//! help for `prune: false` and never trusted beyond that: what another boot recorded, and whatever the kernel does not
//! have, is forgotten.

mod history;
mod uplinks;

use std::fs::{self, DirBuilder, File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use crate::linux::claim::NamespaceClaim;
use crate::linux::locks::Holder;
use crate::linux::proc_file;
use crate::linux::replace::replace;
use crate::model::{AddressId, Beginning, Identity, OwnedEndpoints, State, escaped_path};
use crate::reconcile::{LockError, Record};
use crate::system::Error;

/// Where it is unless systemd says otherwise.
const FOLDER: &str = "/run/mptcp-apply";

/// A number that no two boots share.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// More than a file about 255 endpoints ever takes, in bytes.
const RECORD_MAX: u64 = 64 * 1024;

/// What makes something on disk trustworthy.
type Trust = fn(&RunDir, &Metadata) -> bool;

/// One network namespace's files. The lock is held until this goes; the kernel gives it back when the
/// process dies, however it dies.
#[derive(Debug)]
pub struct RunDir {
    folder: PathBuf,
    /// The cookie of the namespace.
    namespace: u64,
    /// The user whose files they are.
    user: u32,
    claim: NamespaceClaim,
    is_claimed: bool,
    /// The lock's file, once it was had.
    lock_file: Option<File>,
}

/// The kind of the file that a request becomes while it is carried out.
const TAKEN: &str = "renewing";

/// A request to renew endpoints. Those who ask see that it is carried out when it is dropped.
pub struct RenewRequest {
    /// The endpoints; none without a request.
    pub endpoints: Vec<Identity>,
    taken: Option<PathBuf>,
}

impl Drop for RenewRequest {
    fn drop(&mut self) {
        self.taken.iter().for_each(|taken| _ = fs::remove_file(taken));
    }
}

impl RunDir {
    /// The files for the network namespace that this thread is in.
    ///
    /// # Errors
    /// When that cannot be told from others.
    pub fn of_this_namespace() -> Result<RunDir, Error> {
        // systemd lists several folders with colons between them; the first is the unit's own.
        let given = std::env::var_os("RUNTIME_DIRECTORY");
        let folder = given.as_ref().and_then(|folders| std::env::split_paths(folders).next());
        let claim = NamespaceClaim::open().and_then(|claim| Ok((claim.cookie()?, claim)));
        let (namespace, claim) =
            claim.map_err(|error| Error::Io("identify the network namespace".into(), error))?;
        Ok(RunDir {
            folder: folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| FOLDER.into()),
            namespace,
            user: rustix::process::geteuid().as_raw(),
            claim,
            is_claimed: false,
            lock_file: None,
        })
    }

    /// Makes their folder, if it can be made. A claim says what is wrong with it.
    pub fn prepare(&self) {
        let _ = self.create_folder();
    }

    /// Whether these are the files of the same network namespace.
    pub fn is_of(&self, other: &RunDir) -> bool {
        (&self.folder, self.namespace) == (&other.folder, other.namespace)
    }

    /// The cookie of the namespace.
    pub fn cookie(&self) -> u64 {
        self.namespace
    }

    /// Takes the lock, or says that it is taken; never waits.
    fn lock(&self) -> Result<File, LockError> {
        let path = self.file("lock");
        let unavailable = |error| LockError::Unavailable(path.clone(), error);
        self.create_folder().map_err(unavailable)?;
        // Neither through a link nor waiting for a pipe's other end.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600).custom_flags(flags);
        let file = options.open(&path).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => unavailable(no_own_file(&path)),
            _ => unavailable(error),
        })?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(LockError::Held(format!("it holds the lock {}", escaped_path(&path))))
            }
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }

    /// The process that holds the lock.
    pub fn holder(&self) -> Option<Holder> {
        Holder::of(&self.file("lock"))
    }

    fn read_owned(&self) -> io::Result<OwnedEndpoints> {
        // What root recorded is right for others too, who may plan with it.
        match self.read("owned", RunDir::is_own_or_roots)? {
            Some(text) if !text.is_empty() => {
                let head = head()?;
                Ok(text.split_inclusive('\n').skip_while(|line| *line != head).filter_map(parse).collect())
            }
            _ => Ok(OwnedEndpoints::new()),
        }
    }

    fn write_owned(&self, owned: &OwnedEndpoints) -> io::Result<()> {
        let rows: String = owned.iter().map(|(identity, id)| format(identity, *id)).collect();
        self.replace("owned", &if rows.is_empty() { rows } else { head()?.to_owned() + &rows })
    }

    /// Writes a file as a whole: readers see the old text or the new one.
    fn replace(&self, kind: &str, text: &str) -> io::Result<()> {
        let (path, new) = (self.file(kind), self.file(&format!("{kind}.new")));
        self.create_folder()?;
        replace(&path, &new, text)
    }

    /// The file by which a run asks the watch that holds the lock to renew endpoints. It need not exist.
    pub fn request(&self) -> PathBuf {
        self.file("renew")
    }

    /// Asks the watch that holds the lock to renew these endpoints.
    ///
    /// # Errors
    /// When the request cannot be written.
    pub fn ask(&self, endpoints: impl Iterator<Item = Identity>) -> io::Result<()> {
        self.replace("renew", &endpoints.map(|identity| format(&identity, None)).collect::<String>())
    }

    /// Whether a request waits.
    pub fn is_asked(&self) -> bool {
        self.request().exists()
    }

    /// Takes a request back. Whether it was still there.
    pub fn withdraw(&self) -> bool {
        fs::remove_file(self.request()).is_ok()
    }

    /// Whether a request that was taken is being carried out.
    pub fn is_answering(&self) -> bool {
        self.file(TAKEN).exists()
    }

    /// The endpoints that other runs ask to renew, once.
    pub fn take_request(&self) -> RenewRequest {
        let none = || RenewRequest { endpoints: Vec::new(), taken: None };
        match self.read("renew", RunDir::is_own) {
            Ok(None) => none(),
            Ok(Some(text)) => {
                let taken = self.file(TAKEN);
                if fs::rename(self.request(), &taken).is_err() {
                    self.withdraw();
                }
                let identities = text.split_inclusive('\n').filter_map(parse);
                RenewRequest {
                    endpoints: identities.map(|(identity, _)| identity).collect(),
                    taken: Some(taken),
                }
            }
            Err(error) => {
                log::warn!("cannot read {}: {error}", escaped_path(&self.request()));
                none()
            }
        }
    }

    /// The text of a file; none where there is none.
    fn read(&self, kind: &str, trusted: Trust) -> io::Result<Option<String>> {
        self.read_at_most(RECORD_MAX, kind, trusted)
    }

    fn read_at_most(&self, length: u64, kind: &str, trusted: Trust) -> io::Result<Option<String>> {
        let (path, mut bytes) = (self.file(kind), Vec::new());
        let judged = self.judge_folder(trusted).and_then(|()| self.judge_file(&path, trusted));
        let file = judged.and_then(|()| File::open(&path));
        match file.and_then(|file| file.take(length + 1).read_to_end(&mut bytes)) {
            Ok(_) if bytes.len() as u64 > length => {
                Err(io::Error::other(format!("{} is larger than any record", escaped_path(&path))))
            }
            Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("netns-{}.{kind}", self.namespace))
    }

    fn create_folder(&self) -> io::Result<()> {
        match self.judge_folder(RunDir::is_own) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            judged => return judged,
        }
        match DirBuilder::new().mode(0o755).create(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => self.judge_folder(RunDir::is_own),
        }
    }

    /// In a folder that others can write to, they could lay links in the way of what root writes there.
    fn judge_folder(&self, trusted: Trust) -> io::Result<()> {
        let metadata = fs::symlink_metadata(&self.folder)?;
        match metadata.is_dir() && trusted(self, &metadata) {
            true => Ok(()),
            false => Err(io::Error::other("the folder is not this user's alone")),
        }
    }

    /// Opening a pipe that was put there would wait for ever, and a link leads elsewhere.
    fn judge_file(&self, path: &Path, trusted: Trust) -> io::Result<()> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() && trusted(self, &metadata) => Ok(()),
            Ok(_) => Err(no_own_file(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether no other user can write to it.
    fn is_own(&self, metadata: &Metadata) -> bool {
        metadata.uid() == self.user && !others_write(metadata)
    }

    /// The same, or that only root can.
    fn is_own_or_roots(&self, metadata: &Metadata) -> bool {
        self.is_own(metadata) || (metadata.uid() == 0 && !others_write(metadata))
    }
}

impl Record for RunDir {
    fn claim(&mut self) -> Result<(), LockError> {
        if self.is_claimed {
            return Ok(());
        }
        let name = unless_held(self.claim.take(self.user))?;
        let file = unless_held(self.lock())?;
        self.is_claimed = true;
        // Where one of the two cannot be had, the other one has to do.
        name.and(file.map(|file| self.lock_file = Some(file)))
    }

    fn owned(&self) -> io::Result<OwnedEndpoints> {
        self.read_owned()
    }

    fn remember(&self, owned: &OwnedEndpoints) -> io::Result<()> {
        self.write_owned(owned)
    }

    fn keep(&self, run: &Beginning<'_>) -> io::Result<()> {
        self.append_history(run)
    }

    fn forget(&self, before: &State) -> io::Result<()> {
        self.shorten_history(before)
    }

    fn inherit(&self, start: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let locks = [Some(self.claim.as_fd()), self.lock_file.as_ref().map(AsFd::as_fd)];
        let set = |flags| locks.into_iter().flatten().try_for_each(|lock| fcntl_setfd(lock, flags));
        set(FdFlags::empty())?;
        start()?;
        Ok(set(FdFlags::CLOEXEC)?)
    }
}

/// An error only where another run has the lock.
fn unless_held<L>(lock: Result<L, LockError>) -> Result<Result<L, LockError>, LockError> {
    match lock {
        Err(error @ LockError::Held(_)) => Err(error),
        lock => Ok(lock),
    }
}

fn no_own_file(path: &Path) -> io::Error {
    io::Error::other(format!("{} is not a file of this user's alone", escaped_path(path)))
}

fn others_write(metadata: &Metadata) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    metadata.mode() & OTHERS_WRITE != 0
}

/// `boot 0e2f...`, the line before the rows of a record: a folder may outlive the boot in which its numbers were unique.
fn head() -> io::Result<&'static str> {
    static HEAD: OnceLock<String> = OnceLock::new();
    let head = || Ok::<_, io::Error>(format!("boot {}", proc_file::read(BOOT)?));
    match HEAD.get() {
        Some(head) => Ok(head),
        None => head().map(|head| HEAD.get_or_init(|| head).as_str()),
    }
}

/// `192.0.2.1 8443 7`: address, port and id, each 0 where there is none.
fn format(identity: &Identity, id: Option<AddressId>) -> String {
    let (port, id) = (identity.port.map_or(0, Into::into), id.map_or(0, AddressId::get));
    format!("{} {port} {id}\n", identity.address)
}

/// None for a line that makes no sense, or has lost its end and with it perhaps a digit.
fn parse(line: &str) -> Option<(Identity, Option<AddressId>)> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    let address = words.next()?.parse().ok()?;
    let (port, id): (u16, u8) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((Identity { address, port: port.try_into().ok() }, AddressId::new(id)))
}

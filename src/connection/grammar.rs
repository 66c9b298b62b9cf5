//! The words of an operation, as the command line has them.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use crate::config::ALTNAME_MAX;
use crate::model::{AddressId, Family, Identity, Operation, Priority, canonical};

use super::identity;

/// The verbs, each with what follows it.
pub const FORMS: [(&str, &str); 5] = [
    ("announce", "ADDR id N [port P] [dev D]"),
    ("remove", "id N"),
    ("create", "ADDR[%DEV] to PEER:PORT id N [backup]"),
    ("destroy", "ADDR:PORT to PEER:PORT"),
    ("set", "backup|nobackup ADDR[:PORT] to PEER:PORT"),
];

/// Why words are no operation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Misuse {
    problem: String,
    /// What to write.
    pub form: String,
}

/// The operation of a verb and the words behind it.
///
/// # Errors
/// When they are not as in [`FORMS`].
pub fn parse(verb: &str, words: &[String]) -> Result<Operation, Misuse> {
    operation(verb, words).map_err(|problem| {
        let forms = FORMS.iter().filter(|(known, _)| *known == verb);
        let form = forms.map(|(verb, form)| format!("mptcp-apply connection TOKEN {verb} {form}")).collect();
        Misuse { problem, form }
    })
}

fn operation(verb: &str, words: &[String]) -> Result<Operation, String> {
    let mut words = Words { verb, rest: words };
    let operation = match verb {
        "announce" => {
            let address = address(words.next("ADDR")?)?;
            let Options { id, port, dev, .. } = words.options(&["id", "port", "dev"])?;
            let id = id.ok_or("`announce` needs `id N`, with 1 to 255: the peer knows the address by it")?;
            Operation::Announce { address: Identity { address, port }, id, dev }
        }
        "remove" => {
            let id = words.options(&["id"])?.id;
            Operation::Remove { id: id.ok_or("`remove` needs `id N`, with 1 to 255")? }
        }
        "create" => {
            let word = words.next("ADDR[%DEV]")?;
            let (local, dev) = word.split_once('%').map_or((word, None), |(local, dev)| (local, Some(dev)));
            let (address, peer) = (address(local)?, words.peer()?);
            alike(address, peer)?;
            let Options { id, priority, .. } = words.options(&["id", "backup"])?;
            let missing = "`create` needs `id N`, with 1 to 255: without it the kernel would open a second \
                           subflow with id 0, which is that of the first one";
            let dev = dev.map(name).transpose()?;
            Operation::Create { address, dev, peer, id: id.ok_or(missing)?, priority }
        }
        "destroy" => {
            let (local, peer) = (end(words.next("ADDR:PORT")?)?, words.peer()?);
            alike(local.ip(), peer)?;
            Operation::Destroy { local, peer }
        }
        "set" => {
            let priority = match words.next("backup|nobackup")? {
                "backup" => Priority::Backup,
                "nobackup" => Priority::Regular,
                other => return Err(format!("`{other}` is neither `backup` nor `nobackup`")),
            };
            let word = words.next("ADDR[:PORT]")?;
            let local = match end(word) {
                Ok(end) => identity(end),
                Err(_) => Identity { address: address(word)?, port: None },
            };
            let peer = words.peer()?;
            alike(local.address, peer)?;
            Operation::SetPriority { priority, local, peer }
        }
        other => return Err(format!("`{other}` is no operation")),
    };
    words.end()?;
    Ok(operation)
}

/// The words that are still to be read.
struct Words<'a> {
    verb: &'a str,
    rest: &'a [String],
}

/// What may follow in any order.
struct Options {
    id: Option<AddressId>,
    port: Option<NonZeroU16>,
    dev: Option<String>,
    priority: Priority,
}

impl<'a> Words<'a> {
    /// The next word, which the form calls so.
    fn next(&mut self, called: &str) -> Result<&'a str, String> {
        let (first, rest) =
            self.rest.split_first().ok_or_else(|| format!("`{}`: {called} is missing", self.verb))?;
        self.rest = rest;
        Ok(first)
    }

    fn peer(&mut self) -> Result<SocketAddr, String> {
        match self.next("`to PEER:PORT`")? {
            "to" => end(self.next("PEER:PORT")?),
            other => Err(format!("`{other}` stands where `to PEER:PORT` is expected")),
        }
    }

    /// The words with a key, each at most once.
    fn options(&mut self, known: &[&str]) -> Result<Options, String> {
        let mut options = Options { id: None, port: None, dev: None, priority: Priority::Regular };
        let mut seen: Vec<&str> = Vec::new();
        while let Some(key) = self.rest.first().map(String::as_str) {
            if !known.contains(&key) {
                break;
            }
            if seen.contains(&key) {
                return Err(format!("`{key}` is given twice"));
            }
            seen.push(key);
            self.next(key)?;
            match key {
                "id" => options.id = Some(id(self.next("the number behind `id`")?)?),
                "port" => options.port = Some(port(self.next("the number behind `port`")?)?),
                "dev" => options.dev = Some(name(self.next("the interface behind `dev`")?)?),
                _ => options.priority = Priority::Backup,
            }
        }
        Ok(options)
    }

    fn end(&self) -> Result<(), String> {
        match self.rest.first() {
            None => Ok(()),
            Some(word) => Err(format!("`{}` does not take `{word}` there", self.verb)),
        }
    }
}

fn id(word: &str) -> Result<AddressId, String> {
    let wrong = || match word {
        "0" => "id 0 is that of the first subflow, and not free; choose one from 1 to 255".to_owned(),
        _ => format!("`{word}` is no address id, which is a number from 1 to 255"),
    };
    word.parse().ok().and_then(AddressId::new).ok_or_else(wrong)
}

fn port(word: &str) -> Result<NonZeroU16, String> {
    word.parse().map_err(|_| format!("`{word}` is no port, which is a number from 1 to 65535"))
}

fn name(word: &str) -> Result<String, String> {
    let fits = !word.is_empty() && word.len() <= ALTNAME_MAX && !word.contains(['/', ' ']);
    if fits { Ok(word.to_owned()) } else { Err(format!("`{word}` is no name of an interface")) }
}

/// An address of one interface of one host; an IPv6 address may have brackets.
fn address(word: &str) -> Result<IpAddr, String> {
    let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    let address = bare.parse().map(canonical).map_err(|_| format!("`{word}` is no address"))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(format!("{address} is not the address of an interface"));
    }
    Ok(address)
}

/// `192.0.2.1:443` or `[2001:db8::1]:443`
fn end(word: &str) -> Result<SocketAddr, String> {
    let expected = || format!("`{word}` is not ADDRESS:PORT, such as `192.0.2.1:443` or `[2001:db8::1]:443`");
    let (host, number) = word.rsplit_once(':').ok_or_else(expected)?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(expected());
    }
    Ok((address(host)?, port(number)?.get()).into())
}

fn alike(address: IpAddr, peer: SocketAddr) -> Result<(), String> {
    let (own, other) = (Family::of(address), Family::of(peer.ip()));
    if own == other {
        return Ok(());
    }
    Err(format!("{address} is an {} address, and {} an {} one", own.title(), peer.ip(), other.title()))
}

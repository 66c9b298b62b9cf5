//! The names of numbers: address families, error numbers, bytes.

use crate::model::Family;
use crate::system::Errno;

/// `ipv4`, `ipv6`, or the number of another family.
pub fn family_name(number: u16) -> String {
    Family::from_number(number).map_or_else(|| number.to_string(), |family| family.word().to_owned())
}

/// `ECONNREFUSED`, or the number of an error without a name.
pub fn errno_name(error: u8) -> String {
    match Errno::from_raw(error.into()) {
        Errno::UnknownErrno => error.to_string(),
        known => format!("{known:?}"),
    }
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! `mptcp-apply schema`: the JSON Schema of the configuration.

use std::io;

use crate::cli::Common;
use crate::model::Exit;

use super::Output;

/// The published schema; a test keeps it equal to what the types of `config` generate.
const SCHEMA: &str = include_str!("../../schema/mptcp-apply.schema.json");

/// Prints the schema.
///
/// # Errors
/// When the result cannot be written.
pub fn run(common: &Common) -> io::Result<Exit> {
    Output::new(common).print(SCHEMA)?;
    Ok(Exit::Success)
}

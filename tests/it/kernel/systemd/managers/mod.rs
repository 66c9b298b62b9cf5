//! Uplinks beside the programs that give interfaces their addresses and routes: these programs themselves, with a DHCP server
//! and router advertisements, in a machine of their own.
//!
//! Each event prints a row of a table; `tests/managers/run` shows it, with the events that take minutes.

mod clients;
mod network_manager;
mod networkd;
mod site;

//! Hundreds of namespaces.

use crate::support::{program_path, run};

use super::{Named, ONE};

/// More than one run may have files open, if it kept one for each.
const MANY: usize = 60;

fn names() -> Vec<String> {
    (0..MANY).map(|n| format!("n{n:03}")).collect()
}

/// Nothing is left open from one namespace to the next.
#[test]
fn a_run_needs_no_more_files_for_many_namespaces() {
    let names = names();
    let named = Named::new(names.iter().map(String::as_str));
    let mut command = named.command("sh");
    command.args(["-c", "ulimit -n 12 && exec \"$@\"", "sh", program_path(), "--netns=*", "-"]);
    let ran = run(command, ONE).expect(0);
    assert_eq!(ran.stdout.matches("applied: 1 added").count(), MANY, "{}", ran.stderr);
}

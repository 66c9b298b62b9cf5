//! Names of network namespaces, interfaces and files that a terminal would obey. Whatever is said of them, it obeys nothing,
//! and no line is forged.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Ran, program_path, run};

use super::netns::Named;

/// Names a window, ends a line, and begins another sequence by a character beyond ASCII. No glob is in it.
const HOSTILE: &str = "n\x1b]0;x\x07\nforged\u{9b}1m\r";

/// No interface may have blanks in its name.
const INTERFACE: &str = "e\x1b[2J\u{9b}";

#[track_caller]
fn is_tame(Ran { code, stdout, stderr }: &Ran, what: &[&str]) {
    for text in [stdout, stderr] {
        let obeyed = text.contains(|c: char| c.is_control() && c != '\n');
        let forged = text.lines().any(|line| line.starts_with("forged"));
        assert!(!obeyed && !forged, "{what:?}: exit {code}\n{text:?}");
    }
}

#[test]
fn a_terminal_obeys_no_name() {
    let named = Named::new([]);
    let commands: [&[&str]; 5] = [
        &["netns", "add", HOSTILE],
        &["link", "add", INTERFACE, "type", "veth", "peer", "name", "p0"],
        &["link", "set", INTERFACE, "up"],
        &["link", "set", "p0", "up"],
        &["address", "add", "10.5.0.1/24", "dev", INTERFACE],
    ];
    for arguments in commands {
        let mut command = named.command("ip");
        command.args(arguments);
        run(command, "").expect(0);
    }
    let root = named.folder.path();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let good = write(
        &format!("good/{HOSTILE}.yaml"),
        "{version: 1, endpoints: {a: {dev: 'e*', flags: [subflow]}, b: {dev: none7, flags: [signal]}}}",
    );
    let bad = write(&format!("bad/{HOSTILE}.yaml"), "version: 1\nbogus: \"\\e[31m\"\n");
    let open = write(&format!("open{HOSTILE}/a.yaml"), "version: 1\n");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o666)).expect("set");
    fs::create_dir(root.join(format!("empty{HOSTILE}"))).expect("made");
    let of = |name: &str| root.join(name).to_str().expect("UTF-8").to_owned();
    let (empty, missing) = (of(&format!("empty{HOSTILE}")), of(&format!("missing{HOSTILE}")));
    let netns = format!("--netns={HOSTILE}");
    let unknown = format!("--netns=missing{HOSTILE}");
    let glob = format!("--netns=*missing{HOSTILE}");
    let path = format!("--netns=a/{HOSTILE}");
    let option = format!("--{HOSTILE}");
    let runs: [&[&str]; 18] = [
        &["-v", &good],
        &["-v", "-n", &good],
        &["--diff", &netns, &good],
        &["--netns=*", "-n", &good],
        &[&unknown, "--netns=*", &good],
        &[&glob, &good],
        &["--strict", &glob, &good],
        &["show"],
        &["show", "--connections", &netns],
        &["show", "--format=yaml", &netns],
        &["doctor", &good],
        &["check", &bad],
        &["check", &open],
        &["check", &empty],
        &["check", &missing],
        &["--root-dir", &missing],
        &["show", &path],
        &["show", &option],
    ];
    for arguments in runs {
        for format in [&[][..], &["--format=json"]] {
            let mut command = named.command(program_path());
            command.args(arguments).args(if arguments.contains(&"--format=yaml") { &[] } else { format });
            is_tame(&run(command, ""), arguments);
        }
    }
    let mut watch = named.command("timeout");
    watch.args(["--preserve-status", "2", program_path(), "-v", "--watch", "--netns=*", &unknown, &good]);
    let ran = run(watch, "");
    is_tame(&ran, &["--watch"]);
    assert!(ran.stderr.contains("n\\u{1b}]0;x\\u{7}\\nforged"), "{ran:?}");
}

/// As it is printed, the remedy does what it says, and nothing that the name says.
#[test]
fn a_remedy_means_the_file_of_that_name() {
    let named = Named::new([]);
    let folder = named.folder.path();
    let file = folder.join("x;touch forged;'\x1b.yaml");
    fs::write(&file, "version: 1\n").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("set");
    let check = || {
        let mut command = named.command(program_path());
        command.arg("check").arg(&file);
        run(command, "").expect(0).stderr
    };
    let said = check();
    let remedy = said.lines().find_map(|line| line.split_once("help: ")).expect("a remedy").1;
    let mut command = named.command("bash");
    command.current_dir(folder).args(["-c", remedy]);
    run(command, "").expect(0);
    assert_eq!(check(), "");
    assert!(!folder.join("forged").exists());
}

use super::*;

#[test]
fn its_sockets_tell_where_it_runs() {
    let sockets = "\
sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
00000000908e51bc 0   1          800405dd 0        0        0     2        0        9915898
0000000071c1974c 12  0          00000000 0        0        0     2        0        9896121
000000001fefa8a1 16  88         00000000 0        0        0     2        0        9915970
";
    assert!(has_socket(sockets, "87\n88\n"));
    for processes in ["", "8\n", "0\n", "9915970\n"] {
        assert!(!has_socket(sockets, processes), "{processes}");
    }
}

#[test]
fn both_settings_must_be_off() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    assert!(!spares_foreign(root.path()), "it removes them by default");
    write("usr/lib/systemd/networkd.conf", "[Network]\n#ManageForeignRoutes=no\nManageForeignRoutes = no\n");
    assert!(!spares_foreign(root.path()), "rules are not mentioned");
    write(
        "usr/lib/systemd/networkd.conf.d/10-rules.conf",
        "[Network]\nManageForeignRoutingPolicyRules=false\n",
    );
    assert!(spares_foreign(root.path()));
    write("etc/systemd/networkd.conf.d/10-rules.conf", "[Network]\nManageForeignRoutingPolicyRules=yes\n");
    assert!(!spares_foreign(root.path()), "a file in /etc hides the one of that name in /usr/lib");
    write("run/systemd/networkd.conf.d/20-late.conf", "[Network]\nManageForeignRoutingPolicyRules=0\n");
    assert!(spares_foreign(root.path()), "later names win");
    write("etc/systemd/networkd.conf", "[Network]\n");
    assert!(!spares_foreign(root.path()), "the main file is another one now");
}

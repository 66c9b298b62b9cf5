use super::*;

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

use super::*;

#[test]
fn what_stands_for_a_name_is_not_remembered() {
    let mut interfaces = Interfaces::default();
    let seven = NonZeroU32::MIN.saturating_add(6);
    for name in ["if7", "if8", "eth0"] {
        interfaces.remember(name, seven);
    }
    assert_eq!(interfaces.known.keys().collect::<Vec<_>>(), ["eth0", "if8"]);
}

#[test]
fn a_list_is_remembered_until_it_is_forgotten() {
    let mut interfaces = Interfaces::default();
    let seven = NonZeroU32::MIN.saturating_add(6);
    let mut wan = Interface::working(seven, "wan");
    wan.altnames.push("uplink-to-the-world".to_owned());
    interfaces.complete(&[wan]);
    for name in ["wan", "uplink-to-the-world"] {
        assert_eq!(interfaces.index(name).expect("known"), Some(seven), "{name}");
    }
    interfaces.forget();
    assert!(!interfaces.knows("wan"));
    interfaces.complete(&[Interface::working(seven, "lan")]);
    assert!(interfaces.knows("lan") && !interfaces.knows("wan"));
}

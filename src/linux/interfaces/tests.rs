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

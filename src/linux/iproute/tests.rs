use super::*;

/// `struct fib_rule_hdr` of a rule of IPv4 without prefixes, with this action, and these attributes.
fn message(action: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![Family::Ipv4.number(), 0, 0, 0, 0, 0, 0, action, 0, 0, 0, 0];
    for (kind, value) in attributes {
        bytes.extend(u16::try_from(4 + value.len()).expect("short").to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// A newer kernel can have conditions and actions that are not known here.
#[test]
fn what_is_not_known_is_shown_by_its_number() {
    let priority: (u16, &[u8]) = (fra::PRIORITY, &7u32.to_ne_bytes());
    assert_eq!(
        rule(&message(9, &[(99, &[1, 0xab]), priority])).as_deref(),
        Some("-4 7: from all attribute 99 0x01ab action 9")
    );
}

/// The kernel leaves out the mark of packets without one, and says by the mask that it is asked for.
#[test]
fn a_mark_of_0_counts() {
    let mask: (u16, &[u8]) = (fra::FWMASK, &0x10u32.to_ne_bytes());
    assert_eq!(rule(&message(8, &[mask])).as_deref(), Some("-4 0: from all fwmark 0x0/0x10 prohibit"));
    let all: (u16, &[u8]) = (fra::FWMASK, &u32::MAX.to_ne_bytes());
    assert_eq!(rule(&message(8, &[all])).as_deref(), Some("-4 0: from all fwmark 0x0 prohibit"));
}

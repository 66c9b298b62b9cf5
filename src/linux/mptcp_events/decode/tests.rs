use super::*;
use crate::model::End;
use proptest::prelude::*;

/// An event of that number with these attributes.
fn message(code: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![code, 1, 0, 0];
    for (kind, value) in attributes {
        bytes.extend((value.len() as u16 + 4).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

#[test]
fn every_attribute_has_its_place() {
    let bytes = message(
        11,
        &[
            (1, &0xc099_fbb0_u32.to_ne_bytes()),
            (2, &2u16.to_ne_bytes()),
            (3, &[5]),
            (4, &[7]),
            (5, &[10, 1, 2, 1]),
            (7, &[10, 1, 1, 2]),
            (9, &58913u16.to_be_bytes()),
            (10, &5000u16.to_be_bytes()),
            (11, &[1]),
            (12, &[111]),
            (13, &2u16.to_ne_bytes()),
            (14, &99u32.to_ne_bytes()),
            (15, &3i32.to_ne_bytes()),
            (16, &2u32.to_ne_bytes()),
            (17, &1u32.to_ne_bytes()),
            (18, &[1]),
            (19, &[1, 2]),
        ],
    );
    let expected = Event {
        token: Some(Token(0xc099_fbb0)),
        family: Some(2),
        local: End { address: Some([10, 1, 2, 1].into()), port: Some(58913), id: Some(5) },
        remote: End { address: Some([10, 1, 1, 2].into()), port: Some(5000), id: Some(7) },
        backup: Some(true),
        dev: NonZeroU32::new(3).map(|index| Device { index, name: None }),
        error: Some(111),
        reset_reason: Some(ResetReason(2)),
        reset_flags: Some(ResetFlags(1)),
        flags: Some(EventFlags(2)),
        server_side: Some(true),
        timeout: Some(99),
        unknown: vec![(19, vec![1, 2])],
        ..Event::new(EventKind::SubClosed)
    };
    assert_eq!(event(&bytes), Some(expected));
}

/// The kernel writes addresses of IPv4 connections of an IPv6 socket so.
#[test]
fn mapped_addresses_are_those_of_ipv4() {
    let mapped = std::net::Ipv4Addr::new(10, 1, 1, 1).to_ipv6_mapped().octets();
    let found = event(&message(1, &[(2, &[10, 0]), (6, &mapped)])).unwrap();
    assert_eq!((found.local.address, found.family), (Some([10, 1, 1, 1].into()), Some(10)));
}

#[test]
fn what_makes_no_sense_is_kept_as_it_is() {
    for (kind, value) in [
        (1u16, &[1u8, 2, 3][..]),
        (3, &[0, 1]),
        (5, &[1, 2, 3, 4, 5]),
        (6, &[1, 2, 3, 4]),
        (9, &[1]),
        (11, &[2]),
        (15, &[0, 0, 0, 0]),
        (18, &[]),
        (0, &[1]),
    ] {
        let expected = Event { unknown: vec![(kind, value.to_vec())], ..Event::new(EventKind::Unknown(42)) };
        assert_eq!(event(&message(42, &[(kind, value)])), Some(expected));
    }
    let twice = event(&message(6, &[(4, &[7]), (4, &[8])])).unwrap();
    assert_eq!((twice.remote.id, twice.unknown), (Some(7), vec![(4, vec![8])]));
    assert_eq!(event(&[]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// An attribute is either understood or kept; none is both, none is lost.
    #[test]
    fn nothing_is_dropped(
        code: u8,
        attributes in prop::collection::vec((0u16..22, prop::collection::vec(any::<u8>(), 0..20)), 0..12),
    ) {
        let slices: Vec<(u16, &[u8])> =
            attributes.iter().map(|(kind, value)| (*kind, value.as_slice())).collect();
        let found = event(&message(code, &slices)).unwrap();
        let Event {
            kind, token, family, local, remote, backup, dev, error,
            reset_reason, reset_flags, flags, server_side, timeout, unknown,
        } = found;
        let end = |end: End| [end.address.is_some(), end.port.is_some(), end.id.is_some()];
        let known = [
            token.is_some(), family.is_some(), backup.is_some(), dev.is_some(), error.is_some(),
            reset_reason.is_some(), reset_flags.is_some(), flags.is_some(), server_side.is_some(),
            timeout.is_some(),
        ];
        let known = known.into_iter().chain(end(local)).chain(end(remote)).filter(|known| *known).count();
        prop_assert_eq!(known + unknown.len(), attributes.len());
        prop_assert_eq!(kind.code(), code);
    }
}

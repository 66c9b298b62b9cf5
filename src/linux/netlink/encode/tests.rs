use super::*;

/// `ip mptcp endpoint add 10.0.1.2 id 7 port 8443 signal`, as the kernel takes it.
#[test]
#[cfg(target_endian = "little")]
fn a_message_has_the_kernels_layout() {
    let mut request = Request::change(28u16, NlmF::empty(), &[1, 1, 0, 0]);
    request.nest(1_u16, |row| {
        row.put(1_u16, 2_u16.to_ne_bytes());
        row.put_address(3_u16, IpAddr::from([10, 0, 1, 2]));
        row.put(2_u16, [7]);
        row.put(6_u16, 1_u32.to_ne_bytes());
    });
    let mut bytes = vec![0xff];
    request.write(0x0102_0304, &mut bytes);
    let expected = [
        &[0xff, 56, 0, 0, 0, 28, 0, 5, 0, 4, 3, 2, 1, 0, 0, 0, 0][..],
        &[1, 1, 0, 0, 36, 0, 1, 0x80],
        &[6, 0, 1, 0, 2, 0, 0, 0, 8, 0, 3, 0, 10, 0, 1, 2],
        &[5, 0, 2, 0, 7, 0, 0, 0, 8, 0, 6, 0, 1, 0, 0, 0],
    ];
    assert_eq!(bytes, expected.concat());
}

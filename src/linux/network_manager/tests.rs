use super::*;

/// As nmcli 1.42.4 prints them.
#[test]
fn lines_of_nmcli_are_understood() {
    let line = "0b1e9b5a-6c8f-4d1e-9d0c-3a0a6a1f2b3c:eth0:fi: ber";
    assert_eq!(active_connection(line), Some(("0b1e9b5a-6c8f-4d1e-9d0c-3a0a6a1f2b3c", "eth0", "fi: ber")));
    // A VPN has no interface.
    for line in ["", "0b1e9b5a", "0b1e9b5a::office"] {
        assert_eq!(active_connection(line), None, "{line:?}");
    }
    for (text, expected) in [
        ("connection.mptcp-flags:0x0\n", Some(0)),
        ("connection.mptcp-flags:0x62\n", Some(0x62)),
        ("connection.mptcp-flags:\n", None),
        ("connection.id:lte\n", None),
        ("", None),
    ] {
        assert_eq!(mptcp_flags(text), expected.map(MptcpFlags), "{text:?}");
    }
}

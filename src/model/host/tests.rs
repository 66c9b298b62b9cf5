use super::Counters;

#[test]
fn counters_go_by_their_names() {
    let text = "TcpExt: A\nTcpExt: 7\nMPTcpExt: A B C\nMPTcpExt: 1 x 3\n";
    let counters = Counters::parse(text).expect("counters");
    assert_eq!((counters.get("A"), counters.known("B"), counters.get("C")), (1, None, 3));
    for none in ["", "TcpExt: A\nTcpExt: 7\n", "MPTcpExt: A\n"] {
        assert_eq!(Counters::parse(none), None, "{none:?}");
    }
}

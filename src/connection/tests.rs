use super::*;
use crate::model::diagnostic::Diagnostic;
use crate::model::{AddressId, ConnectionManager, End, Endpoint, Exit, Flags, SubflowFlags, Traffic, code};
use crate::system::Refusal;

const TOKEN: Token = Token(0x5c1d_1e2a);

fn words(line: &str) -> (String, Vec<String>) {
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap_or_default(), words.collect())
}

#[track_caller]
fn operation(line: &str) -> Operation {
    let (verb, words) = words(line);
    parse(&verb, &words).unwrap_or_else(|misuse| panic!("{line}: {misuse}"))
}

/// What is printed is what can be typed.
#[test]
fn operations_are_written_as_they_are_read() {
    for line in [
        "announce 10.1.2.1 id 5",
        "announce 2001:db8::1 id 255 port 8443 dev eth0",
        "remove id 1",
        "create 10.1.2.1 to 10.9.9.9:443 id 5",
        "create fe80::1%eth0 to [2001:db8::2]:443 id 5 backup",
        "destroy 10.1.2.1:1 to 10.9.9.9:65535",
        "destroy [2001:db8::1]:33000 to [2001:db8::2]:443",
        "set backup 10.1.2.1 to 10.9.9.9:443",
        "set nobackup 10.1.2.1:33000 to 10.9.9.9:443",
        "set nobackup [2001:db8::1]:33000 to [2001:db8::2]:443",
    ] {
        assert_eq!(operation(line).to_string(), line);
    }
    let same = [
        ("announce 10.1.2.1 dev eth0 port 80 id 5", "announce 10.1.2.1 id 5 port 80 dev eth0"),
        ("create ::ffff:10.1.2.1 to 10.9.9.9:443 backup id 5", "create 10.1.2.1 to 10.9.9.9:443 id 5 backup"),
        ("set backup [2001:db8::1] to [2001:db8::2]:443", "set backup 2001:db8::1 to [2001:db8::2]:443"),
    ];
    for (line, written) in same {
        assert_eq!(operation(line).to_string(), written);
    }
}

#[test]
fn wrong_words_are_named() {
    let cases = [
        ("announce", "`announce`: ADDR is missing"),
        ("announce 10.1.2.1", "`announce` needs `id N`"),
        ("announce 10.1.2.1 id 0", "id 0 is that of the first subflow"),
        ("announce 10.1.2.1 id 256", "`256` is no address id, which is a number from 1 to 255"),
        ("announce 10.1.2.1 id", "the number behind `id` is missing"),
        ("announce 10.1.2.1 id 5 id 6", "`id` is given twice"),
        ("announce 10.1.2.1 id 5 port 0", "`0` is no port"),
        ("announce 10.1.2.1 id 5 backup", "`announce` does not take `backup` there"),
        ("announce eth0 id 5", "`eth0` is no address"),
        ("announce 0.0.0.0 id 5", "0.0.0.0 is not the address of an interface"),
        ("remove", "`remove` needs `id N`"),
        ("remove 5", "`remove` needs `id N`"),
        ("create 10.1.2.1 10.9.9.9:443 id 5", "`10.9.9.9:443` stands where `to PEER:PORT` is expected"),
        ("create 10.1.2.1 to 10.9.9.9 id 5", "`10.9.9.9` is not ADDRESS:PORT"),
        ("create 10.1.2.1 to 10.9.9.9:443", "`create` needs `id N`, with 1 to 255: without it"),
        (
            "create 10.1.2.1 to [2001:db8::2]:443 id 5",
            "10.1.2.1 is an IPv4 address, and 2001:db8::2 an IPv6 one",
        ),
        ("create 10.1.2.1% to 10.9.9.9:443 id 5", "`` is no name of an interface"),
        ("destroy 10.1.2.1 to 10.9.9.9:443", "`10.1.2.1` is not ADDRESS:PORT"),
        ("destroy 2001:db8::1:80 to [2001:db8::2]:443", "`2001:db8::1:80` is not ADDRESS:PORT"),
        ("set 10.1.2.1 to 10.9.9.9:443", "`10.1.2.1` is neither `backup` nor `nobackup`"),
        ("set backup 10.1.2.1 to 10.9.9.9:443 now", "`set` does not take `now` there"),
    ];
    for (line, problem) in cases {
        let (verb, words) = words(line);
        let misuse = parse(&verb, &words).expect_err(line);
        assert!(misuse.to_string().contains(problem), "{line}: {misuse}");
        assert!(misuse.form.starts_with(&format!("mptcp-apply connection TOKEN {verb} ")), "{}", misuse.form);
    }
}

#[test]
fn tokens_are_as_other_programs_print_them() {
    for (text, number) in [("5c1d1e2a", 0x5c1d_1e2a), ("0x5c1d1e2a", 0x5c1d_1e2a), ("a7", 0xa7)] {
        assert_eq!(text.parse::<Token>().ok(), Some(Token(number)));
    }
    for text in ["", "0", "+5", "5c1d1e2a0", "token", "0x"] {
        assert!(text.parse::<Token>().is_err(), "{text}");
    }
}

fn create() -> Operation {
    let (address, peer) = ([10, 1, 2, 1].into(), ([10, 9, 9, 9], 443).into());
    let id = AddressId::new(5).expect("an id");
    Operation::Create { address, dev: None, peer, id, priority: Priority::Regular }
}

fn event(kind: EventKind) -> Event {
    let end = |address: [u8; 4], port, id| End { address: Some(address.into()), port: Some(port), id };
    let (local, remote) = (end([10, 1, 2, 1], 33000, Some(5)), end([10, 9, 9, 9], 443, Some(0)));
    Event { token: Some(TOKEN), local, remote, ..Event::new(kind) }
}

/// Other connections, and other subflows of the same one, say nothing about it.
#[test]
fn only_its_own_event_answers_a_request() {
    let of = |event: &Event| SubflowAnswer::of(event, TOKEN, &create());
    let joined = event(EventKind::SubEstablished);
    assert_eq!(of(&joined), Some(SubflowAnswer::Joined(([10, 1, 2, 1], 33000).into())));
    assert_eq!(of(&event(EventKind::SubPriority)), None);
    assert_eq!(of(&Event { token: Some(Token(7)), ..joined.clone() }), None);
    assert_eq!(of(&Event { local: End { id: Some(6), ..joined.local }, ..joined.clone() }), None);
    assert_eq!(of(&Event { remote: End { port: Some(444), ..joined.remote }, ..joined }), None);
    let closed = Event { error: Some(111), ..event(EventKind::SubClosed) };
    assert_eq!(of(&closed), Some(SubflowAnswer::Closed(Errno::ECONNREFUSED, None)));
}

#[test]
fn what_became_of_a_request_is_explained() {
    let end = |answer| joined(&create(), TOKEN, &answer);
    let local = ([10, 1, 2, 1], 33000).into();
    assert_eq!(end(SubflowAnswer::Joined(local)).ok(), Some(Some(local)));
    let refused = end(SubflowAnswer::Closed(Errno::ECONNREFUSED, None)).expect_err("refused");
    let Diagnostic { message, help, .. } = &refused.diagnostics[0];
    assert!(message.contains("10.9.9.9:443 refused it") && message.contains("(ECONNREFUSED)"), "{message}");
    assert!(help.as_deref().is_some_and(|help| help.contains("connection 5c1d1e2a remove id 5` frees it,")));
    let reset = end(SubflowAnswer::Closed(Errno::ECONNRESET, Some(ResetReason(2)))).expect_err("reset");
    assert!(reset.diagnostics[0].message.contains("the peer reset it: lack of resources"));
    let missing = end(SubflowAnswer::Missing).expect_err("no answer");
    assert_eq!(missing.diagnostics[0].code, code::SUBFLOW_UNANSWERED);
}

#[track_caller]
fn explained(line: &str, errno: Errno, text: Option<&str>) -> (Exit, String) {
    let row = Endpoint {
        identity: "10.1.2.1".parse().map(|address| Identity { address, port: None }).expect("an address"),
        id: AddressId::new(3),
        dev: None,
        flags: Flags::SUBFLOW,
    };
    let refusal = Refusal { text: text.map(str::to_owned), ..Refusal::new(errno) };
    let failure = explain(&operation(line), TOKEN, &refusal, &[row]);
    (failure.kind.exit(), failure.diagnostics[0].message.clone())
}

#[test]
fn refusals_are_explained() {
    let create = "create 10.1.2.1 to 10.9.9.9:443 id 5";
    let mismatch = Some("did not match address and id");
    let cases = [
        (create, Errno::EPERM, None, Exit::NotPermitted, "this needs CAP_NET_ADMIN"),
        (create, Errno::EOPNOTSUPP, None, Exit::Unsupported, "no operations on single connections"),
        (create, Errno::EINVAL, Some("invalid token"), Exit::Failed, "there is no live connection"),
        (create, Errno::ENOTCONN, Some("connect error: -107"), Exit::Failed, "is not established yet"),
        (create, Errno::EADDRNOTAVAIL, None, Exit::Failed, "10.1.2.1 is on no interface of this host"),
        (create, Errno::ENETUNREACH, None, Exit::Failed, "no route leads from 10.1.2.1 to 10.9.9.9"),
        (create, Errno::EINVAL, mismatch, Exit::Failed, "already holds 10.1.2.1 id 3 subflow"),
        ("announce 10.1.3.1 id 3", Errno::EINVAL, mismatch, Exit::Failed, "already holds 10.1.2.1 id 3"),
        ("announce 10.1.3.1 id 4", Errno::EINVAL, mismatch, Exit::Failed, "this address with another id"),
        ("announce ::1 id 4", Errno::EINVAL, Some("families mismatch"), Exit::Failed, "no such IPv6 address"),
        ("remove id 5", Errno::EINVAL, None, Exit::Failed, "holds no address with id 5"),
        ("destroy 10.1.2.1:1 to 10.9.9.9:443", Errno::ESRCH, None, Exit::Failed, "no subflow between these"),
        (
            "set backup 10.1.2.1 to 10.9.9.9:443",
            Errno::EINVAL,
            None,
            Exit::Failed,
            "no subflow between these",
        ),
        ("remove id 5", Errno::ENOMEM, None, Exit::Failed, "out of memory"),
    ];
    for (line, errno, text, exit, words) in cases {
        let (code, message) = explained(line, errno, text);
        assert_eq!(code, exit, "{line}: {message}");
        let begins = message.starts_with(&format!("cannot {line} on connection 5c1d1e2a: "));
        assert!(begins && message.contains(words), "{line}: {message}");
    }
}

#[test]
fn only_the_userspace_path_manager_takes_operations() {
    let begin = |manager: Option<ConnectionManager>| cannot_begin(&create(), TOKEN, manager.as_ref());
    let code = |manager| begin(manager).map(|failure| failure.diagnostics[0].code);
    assert_eq!(code(None), Some(code::NO_CONNECTION));
    assert_eq!(code(Some(ConnectionManager::Kernel)), Some(code::KERNEL_PATH_MANAGER));
    assert_eq!(
        begin(Some(ConnectionManager::OnlyKernel)).map(|failure| failure.kind.exit()),
        Some(Exit::Unsupported)
    );
    assert_eq!(code(Some(ConnectionManager::Userspace { addresses: Vec::new() })), None);
    // The kernel decides then.
    assert_eq!(code(Some(ConnectionManager::Unknown)), None);
}

fn connection(flags: u32, state: u8) -> Connection {
    let subflow = Subflow {
        local: ([10, 1, 2, 1], 33000).into(),
        remote: ([10, 9, 9, 9], 443).into(),
        interface: None,
        state,
        local_id: 5,
        remote_id: 0,
        flags: SubflowFlags(flags),
        remote_token: 0,
        map_sequence: 0,
        traffic: Traffic::default(),
    };
    Connection {
        token: TOKEN.0,
        fallback: crate::model::Fallback::No,
        closing: false,
        limit: None,
        accepted: None,
        subflows: vec![subflow],
    }
}

/// One that is closing is of no use any more.
#[test]
fn a_twin_is_a_living_subflow_of_the_same_connection() {
    const ESTABLISHED: u8 = 1;
    const SYN_SENT: u8 = 2;
    const LAST_ACK: u8 = 9;
    let has_twin = |state, token| twin(&create(), token, &[connection(0, state)]).is_some();
    assert!(has_twin(ESTABLISHED, TOKEN) && has_twin(SYN_SENT, TOKEN));
    assert!(!has_twin(LAST_ACK, TOKEN) && !has_twin(ESTABLISHED, Token(7)));
}

#[test]
fn a_backup_that_the_kernel_left_out_is_set() {
    const BACKUP_LOCAL: u32 = 1 << 5;
    let backup = operation("create 10.1.2.1 to 10.9.9.9:443 id 5 backup");
    let left_out = |operation: &Operation, flags| {
        backup_left_out(operation, TOKEN, &[connection(flags, 1)]).map(|operation| operation.to_string())
    };
    assert_eq!(left_out(&backup, 0).as_deref(), Some("set backup 10.1.2.1:33000 to 10.9.9.9:443"));
    assert_eq!(left_out(&backup, BACKUP_LOCAL), None);
    assert_eq!(left_out(&create(), 0), None);
}

//! Real system calls that fail, one at a time and every one, and answers of the kernel that are not what they should be.
//!
//! `strace` does it from outside, so that it is the program itself that meets them.

use std::sync::Mutex;

use super::scene::{self, GOAL, SURPLUS, Scene};
use super::strace::{self, Traced};

/// One failure of each call of these kinds, as in `openat:error=EMFILE:when=3`.
fn once_each(faults: &[&str]) -> Vec<String> {
    let calls = scene::undisturbed();
    let each = |fault: &&str| {
        let count = strace::count(&calls, fault.split(':').next().unwrap_or_default());
        assert!(count > 0, "{fault}: there is no such call");
        let fault = fault.to_string();
        (1..=count).map(move |n| format!("{fault}:when={n}")).collect::<Vec<_>>()
    };
    faults.iter().flat_map(each).collect()
}

/// A run with one fault ends at the goal or where it began, with an exit code that says which; the next one heals it.
fn judge(scene: &Scene, injection: String) {
    let Traced { ran, calls } = strace::apply(&scene.namespace, &[&injection], GOAL);
    let context = format!("{injection}: exit {}\n{}{}", ran.code, ran.stdout, ran.stderr);
    assert!(calls.iter().any(|call| call.contains("INJECTED")), "{context}\nit was not met");
    let record_kept = !ran.stderr.contains("cannot keep the record");
    let mut after = scene.state();
    match ran.code {
        0 => {
            // What is not known as the program's own is left alone.
            after.retain(|row| record_kept || row != SURPLUS);
            assert_eq!(after, scene.goal, "{context}");
        }
        1 | 66 | 75 | 77 => assert_eq!(after, scene.before, "{context}"),
        _ => panic!("{context}\nthat is no code for it"),
    }
    if record_kept {
        scene.heals(&context);
    } else {
        scene.reaches_the_goal(&context);
    }
}

#[test]
fn any_system_call_may_fail_once() {
    let faults = [
        "openat:error=EMFILE",
        "openat:error=EACCES",
        "read:error=EIO",
        "write:error=ENOSPC",
        "rename:error=EROFS",
        "unlink:error=EROFS",
        "statx:error=EACCES",
        "flock:error=ENOLCK",
        "flock:error=EAGAIN",
        "socket:error=EMFILE",
        "setsockopt:error=ENOPROTOOPT",
        "bind:error=EADDRINUSE",
        "ioctl:error=EIO",
        "sendto:error=EPERM",
        "recvfrom:error=ENOBUFS",
    ];
    scene::for_each(once_each(&faults), judge);
}

/// A signal that arrives during a system call is no fault: the call is made again.
#[test]
fn interrupted_system_calls_are_made_again() {
    // Every other one, so that the repetition succeeds, and then the others.
    let injections = ["openat", "read", "write", "flock", "sendto", "recvfrom"]
        .iter()
        .flat_map(|call| [1, 2].map(|first| format!("{call}:error=EINTR:when={first}+2")))
        // There is but one.
        .filter(|injection| !injection.starts_with("flock:error=EINTR:when=2"));
    scene::for_each(injections.collect(), |scene, injection| {
        let Traced { ran, .. } = strace::apply(&scene.namespace, &[&injection], GOAL);
        ran.expect(0);
        assert_eq!(scene.state(), scene.goal, "{injection}");
        scene.heals(&injection);
    });
}

/// What never works again cannot be put back either. Then the exit code says so, and the next run puts it right.
#[test]
fn a_fault_that_stays_is_told() {
    let lasting = ["sendto:error=EPERM", "recvfrom:error=ENOBUFS", "openat:error=EMFILE"];
    let injections = once_each(&lasting).into_iter().map(|injection| injection + "+").collect();
    let left_behind = Mutex::new(0);
    scene::for_each(injections, |scene, injection| {
        let Traced { ran, .. } = strace::apply(&scene.namespace, &[&injection], GOAL);
        let context = format!("{injection}: exit {}\n{}{}", ran.code, ran.stdout, ran.stderr);
        let after = scene.state();
        match ran.code {
            0 => assert_eq!(after, scene.goal, "{context}"),
            1 | 77 => assert_eq!(after, scene.before, "{context}"),
            3 => *left_behind.lock().expect("no panic holds it") += usize::from(after != scene.before),
            _ => panic!("{context}\nthat is no code for it"),
        }
        scene.reaches_the_goal(&context);
    });
    assert!(left_behind.into_inner().expect("no panic holds it") > 0, "nothing was left behind by any");
}

/// One answer of an undisturbed run: its place among all answers, and the header of its first message.
struct Answer {
    place: usize,
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Answer {
    /// From a line of a trace with plain numbers.
    fn parse(place: usize, call: &str) -> Answer {
        let field = |name: &str| {
            let text =
                call.split(&format!("nlmsg_{name}=")).nth(1).unwrap_or_else(|| panic!("no {name}: {call}"));
            let text = text.split([',', '}', ' ']).next().unwrap_or_default();
            let digits = text.strip_prefix("0x");
            let number = digits.map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
            number.unwrap_or_else(|_| panic!("no number in {name}: {call}"))
        };
        let [length, kind, flags, sequence] = ["len", "type", "flags", "seq"].map(field);
        let narrow = |number: u32| u16::try_from(number).expect("16 bits");
        Answer { place, length, kind: narrow(kind), flags: narrow(flags), sequence }
    }

    /// The bytes of its header, for `strace` to write.
    fn header(&self) -> String {
        let mut bytes = self.length.to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The kernel's answer with another header.
    fn altered(&self) -> String {
        format!("recvfrom:poke_exit=@arg2={}:when={}", self.header(), self.place)
    }

    /// Another one in front of the kernel's, with zeros behind its header.
    fn forged(&self) -> String {
        let Answer { length, place, .. } = self;
        let zeros = "00".repeat(20);
        format!("recvfrom:retval={length}:poke_exit=@arg2={}{zeros}:when={place}", self.header())
    }

    /// What may become of it on the way.
    fn lies(&self) -> [String; 9] {
        const DUMP_INTERRUPTED: u16 = 0x10;
        const ACKNOWLEDGEMENT: u16 = 2;
        const OVERRUN: u16 = 4;
        let Answer { place, length, kind, flags, sequence } = *self;
        let copy = || Answer { place, length, kind, flags, sequence };
        [
            // Lost, empty, cut off, longer than the buffer; the one before once more.
            format!("recvfrom:error=EAGAIN:when={place}"),
            format!("recvfrom:retval=0:when={place}"),
            format!("recvfrom:retval=10:when={place}"),
            format!("recvfrom:retval=200000:when={place}"),
            format!("recvfrom:retval=36:when={place}"),
            Answer { flags: flags | DUMP_INTERRUPTED, ..copy() }.altered(),
            Answer { kind: OVERRUN, ..copy() }.altered(),
            Answer { length: length + 4, ..copy() }.altered(),
            // An acknowledgement for another request.
            Answer { length: 36, kind: ACKNOWLEDGEMENT, flags: 0x100, sequence: sequence + 1, place }
                .forged(),
        ]
    }
}

/// The answers of an undisturbed run.
fn answers() -> Vec<Answer> {
    let calls = scene::undisturbed();
    let received = calls.iter().filter(|call| call.starts_with("recvfrom("));
    received.enumerate().map(|(index, call)| Answer::parse(index + 1, call)).collect()
}

/// Whatever becomes of one answer, the next request takes no old answer for its own.
#[test]
fn no_answer_is_taken_for_another() {
    // A third of them at each place: every place meets three, and every kind every third place.
    let some = |answer: Answer| answer.lies().into_iter().skip(answer.place % 3).step_by(3);
    scene::for_each(answers().into_iter().flat_map(some).collect(), judge);
}

/// To take back what was carried out, because reading it failed once, would close subflows for nothing.
#[test]
fn a_lost_reading_takes_nothing_back() {
    let last = answers().len();
    let injections = (last - 3..=last).map(|place| format!("recvfrom:error=ENOBUFS:when={place}"));
    scene::for_each(injections.collect(), |scene, injection| {
        strace::apply(&scene.namespace, &[&injection], GOAL).ran.expect(0);
        assert_eq!(scene.state(), scene.goal, "{injection}");
        scene.heals(&injection);
    });
}

/// Answers that never end are left.
#[test]
fn endless_answers_end() {
    const NOOP: u16 = 1;
    let first = answers().remove(0);
    let padding = Answer { length: 128 * 1024, kind: NOOP, ..first }.forged();
    scene::for_each(vec!["recvfrom:retval=0:when=1+".to_owned(), padding + "+"], judge);
}

use super::*;

#[test]
fn every_name_parses_to_the_flag_that_prints_it() {
    for (flag, name, _) in TABLE {
        assert_eq!(Flags::named(name), Some(flag));
        assert_eq!(flag.to_string(), name);
    }
}

#[test]
fn unknown_bits_are_shown() {
    let flags = Flags::from_bits(0x8000_0042);
    assert_eq!(flags.to_string(), "subflow rawflags 0x80000040");
    assert_eq!(flags.words(), ["subflow", "0x80000040"]);
}

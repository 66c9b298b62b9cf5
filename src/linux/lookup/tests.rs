use super::lookup;

#[test]
fn an_address_is_not_looked_up() {
    let target = "[2001:db8::1]:443".parse().expect("a target");
    assert_eq!(lookup(&target), Ok(vec!["[2001:db8::1]:443".parse().expect("an address")]));
}

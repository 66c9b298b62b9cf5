use super::*;

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

#[test]
fn a_burst_is_over_when_it_is_quiet() {
    let mut debounce = Debounce::default();
    assert_eq!(debounce.due(), None);
    debounce.note(ms(1000));
    assert_eq!(debounce.due(), Some(ms(1200)));
    debounce.note(ms(1150));
    assert_eq!(debounce.due(), Some(ms(1350)));
    debounce.clear();
    assert_eq!(debounce.due(), None);
}

#[test]
fn a_burst_without_end_is_not_waited_for() {
    let mut debounce = Debounce::default();
    (0..100).for_each(|step| debounce.note(ms(1000 + 100 * step)));
    assert_eq!(debounce.due(), Some(ms(3000)));
}

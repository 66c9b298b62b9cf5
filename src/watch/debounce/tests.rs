use proptest::prelude::*;

use super::*;

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

#[test]
fn the_first_event_is_handled_at_once() {
    let mut debounce = Debounce::default();
    assert_eq!(debounce.due(), None);
    debounce.note(ms(1000));
    assert!(debounce.due() <= Some(ms(1000)));
    assert_eq!(debounce.begin(ms(1000)), Edge::Leading);
    assert_eq!(debounce.due(), None);
}

#[test]
fn what_follows_is_handled_together() {
    let mut debounce = Debounce::default();
    debounce.note(ms(1000));
    debounce.begin(ms(1000));
    (1001..1050).for_each(|now| debounce.note(ms(now)));
    assert_eq!(debounce.due(), Some(ms(1085)));
    assert_eq!(debounce.begin(ms(1085)), Edge::Following);
    debounce.note(ms(1184));
    assert_eq!((debounce.due(), debounce.begin(ms(1184))), (Some(ms(1170)), Edge::Following));
    debounce.note(ms(1284));
    assert_eq!(debounce.begin(ms(1284)), Edge::Leading);
}

#[test]
fn a_pass_can_ask_for_another_one() {
    let mut debounce = Debounce::default();
    debounce.note(ms(1000));
    debounce.begin(ms(1000));
    debounce.come_again();
    assert_eq!(debounce.due(), Some(ms(1085)));
    assert_eq!(debounce.begin(ms(1085)), Edge::Following);
    assert_eq!(debounce.due(), None, "and that is the last one");
}

/// The times of the passes, and their edges, for events at these times; each pass takes so long.
fn passes(events: &[Duration], takes: Duration) -> Vec<(Duration, Edge)> {
    let (mut debounce, mut now, mut made) = (Debounce::default(), Duration::ZERO, Vec::new());
    let mut events = events.iter().copied().peekable();
    loop {
        while let Some(event) = events.next_if(|event| *event <= now) {
            debounce.note(event);
        }
        match (debounce.due(), events.peek()) {
            (Some(due), _) if due <= now => {
                made.push((now, debounce.begin(now)));
                now += takes;
            }
            (Some(due), Some(event)) => now = due.min(*event),
            (Some(due), None) => now = due,
            (None, Some(event)) => now = *event,
            (None, None) => return made,
        }
    }
}

proptest! {
    #[test]
    fn events_are_handled_soon_and_rarely(gaps in prop::collection::vec(0..300u64, 1..300), takes in 0..60u64) {
        let events: Vec<Duration> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(ms(*at)) }).collect();
        let made = passes(&events, ms(takes));
        for event in &events {
            let next = made.iter().find(|(at, _)| at >= event);
            prop_assert!(next.is_some_and(|(at, _)| *at <= *event + DISTANCE), "{event:?} waits: {made:?}");
        }
        for second in made.windows(13) {
            prop_assert!(second[12].0 - second[0].0 >= Duration::from_secs(1), "{second:?}");
        }
        for (at, edge) in &made {
            let mut before = events.iter().chain(made.iter().map(|(at, _)| at));
            let is_first = !before.any(|time| time < at && *time + QUIET > *at);
            prop_assert!(!is_first || *edge == Edge::Leading, "{at:?}: {made:?}");
        }
        prop_assert!(made.len() <= events.len(), "a pass begets no pass");
    }
}

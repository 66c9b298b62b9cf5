use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn links(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Looks at these seconds; the counter is 1 from `counted` on. When the pause was ended.
fn ended_at(pause: &mut BlackholePause, looks: &[u64], counted: u64) -> Vec<u64> {
    let is_over = |second: &&u64| pause.is_over(at(**second), u64::from(**second >= counted));
    looks.iter().filter(is_over).copied().collect()
}

#[test]
fn an_outage_that_is_over_ends_the_pause_once() {
    let mut pause = BlackholePause::default();
    assert_eq!(ended_at(&mut pause, &[0, 30], 40), [0; 0]);
    pause.note_outage(at(35), at(38));
    assert_eq!(ended_at(&mut pause, &[60, 90, 120], 40), [60]);
}

/// A SYN without MPTCP may come after the end of the outage that swallowed those with it.
#[test]
fn the_kernel_may_count_after_the_end() {
    let mut pause = BlackholePause::default();
    assert_eq!(ended_at(&mut pause, &[0], 12), [0; 0]);
    pause.note_outage(at(8), at(10));
    assert_eq!(ended_at(&mut pause, &[10], 12), [0; 0]);
    assert_eq!(pause.next(), Some(at(18)));
    assert_eq!(ended_at(&mut pause, &[18, 44], 12), [18]);
    assert_eq!(pause.next(), None);
}

#[test]
fn without_an_outage_it_is_left() {
    let mut pause = BlackholePause::default();
    pause.note_outage(at(1), at(3));
    assert_eq!(ended_at(&mut pause, &[5, 60, 90, 5000], 80), [0; 0]);
}

/// One that was there before the watch may have any cause.
#[test]
fn what_is_older_is_left() {
    let mut pause = BlackholePause::default();
    pause.note_outage(at(0), at(1));
    assert_eq!(ended_at(&mut pause, &[2, 30], 0), [0; 0]);
}

#[test]
fn links_that_break_and_mend_are_outages() {
    let mut pause = BlackholePause::default();
    pause.note_links(at(0), links(&["eth0", "wlan0"]));
    assert_eq!(ended_at(&mut pause, &[0], 22), [0; 0]);
    pause.note_links(at(20), links(&["wlan0"]));
    assert_eq!(ended_at(&mut pause, &[20, 30], 22), [0; 0], "it still lasts");
    pause.note_links(at(40), links(&["eth0", "wlan0"]));
    assert_eq!(ended_at(&mut pause, &[40, 70], 22), [40]);
}

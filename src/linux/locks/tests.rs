use super::*;

#[test]
fn the_holder_is_in_the_row_of_the_file() {
    let locks = "\
1: POSIX  ADVISORY  WRITE 7 00:19:55 0 EOF
2: FLOCK  ADVISORY  WRITE 812 00:19:55 0 EOF
2: -> FLOCK  ADVISORY  WRITE 900 00:19:56 0 EOF
3: FLOCK  ADVISORY  READ  x 00:19:57 0 EOF
4: FLOCK
";
    assert_eq!(["00:19:55", "00:19:56", "00:19:57"].map(|name| holder(locks, name)), [Some(812), None, None]);
}

#[test]
fn a_service_is_the_last_on_the_path() {
    let user = "0::/user.slice/user-1.slice/user@1.service/app.slice/watch.service\n";
    let cases = [user, "0::/system.slice/mptcp-apply-watch@web.service\n", "0::/init.scope\n", ""];
    let services = cases.map(service);
    assert_eq!(
        services.each_ref().map(|name| name.as_deref()),
        [Some("watch"), Some("mptcp-apply-watch@web"), None, None]
    );
}

/// This process is younger than the boot, and its test as old as a few seconds.
#[test]
fn a_process_has_a_start() {
    let Moment(now) = clock::now();
    let Moment(start) = started(std::process::id()).unwrap();
    assert!(start <= now + Duration::from_secs(1) && now < start + Duration::from_secs(3600), "{start:?}");
}

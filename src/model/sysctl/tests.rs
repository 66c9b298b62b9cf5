use super::*;

#[test]
fn constants_name_their_rows() {
    assert_eq!(Sysctl::ENABLED.name(), "enabled");
    assert_eq!(Sysctl::PATH_MANAGER.name(), "path_manager");
    assert_eq!(Sysctl::PM_TYPE.name(), "pm_type");
    assert_eq!(Sysctl::SCHEDULER.name(), "scheduler");
    assert!(Sysctl::all().all(|sysctl| Sysctl::named(sysctl.name()) == Some(sysctl)));
}

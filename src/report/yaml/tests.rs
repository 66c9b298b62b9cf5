use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::model::{AddressId, Family, Flags, Identity, Limits as Numbers, uplink_table};

/// A selector's rows share its name, rows without one are called by their ids, or `new`; each keeps its own entry.
#[test]
fn no_row_hides_another() {
    let long = "n".repeat(NAME_MAX);
    let named = [(Some("lte"), 0), (Some("lte"), 0), (Some("lte-2"), 0), (Some("lte"), 7), (None, 9)];
    let same = [(Some("id-9"), 0), (None, 0), (None, 0), (Some(&*long), 0), (Some(&*long), 0)];
    let rows = || (1u8..).zip(named.into_iter().chain(same));
    let row = |(number, (_, id)): (u8, (Option<&str>, u8))| Endpoint {
        identity: Identity { address: [10, 0, 0, number].into(), port: None },
        id: AddressId::new(id),
        dev: None,
        flags: Flags::SUBFLOW,
    };
    let endpoints: Vec<Endpoint> = rows().map(row).collect();
    let named = endpoints.iter().zip(rows());
    let names = named.filter_map(|(row, (_, (name, _)))| Some((row.identity, name?.to_owned())));
    let names = DeclaredNames { endpoints: names.collect(), ..DeclaredNames::default() };
    let limits = Numbers { subflows: 2, add_addr_accepted: 0 };
    let text =
        state(&State { limits, sysctls: Default::default(), endpoints, uplinks: None }, &names).unwrap();
    let is_name = |line: &&str| !line.starts_with(' ') && line.ends_with(':');
    let entries = text.split_once("endpoints:\n").unwrap().1.lines().map(|line| &line[2..]);
    let names: Vec<&str> = entries.filter(is_name).map(|line| line.trim_end_matches(':')).collect();
    let shortened = format!("{}-2", &long[..NAME_MAX - 2]);
    let expected = ["lte", "lte-3", "lte-2", "lte-4", "id-9", "id-9-2", "new", "new-2", &long, &shortened];
    assert_eq!(names, expected);
}

/// The routes of some uplinks, and the rules of one address each: the index and name of the interface, and its routers.
fn routes(uplinks: &[(u32, &str, &[Option<&str>])]) -> UplinkState {
    let route = |(index, name, router): (u32, &str, Option<&str>)| {
        let gateway = router.map(|router| router.parse().expect("an address"));
        let index = index.try_into().expect("not zero");
        UplinkRoute {
            family: gateway.map_or(Family::Ipv4, Family::of),
            table: uplink_table(index),
            gateway,
            dev: Some(Device { index, name: Some(name.to_owned()) }),
            metric: gateway.map_or(Family::Ipv4, Family::of).metric(),
            raw: Vec::new(),
        }
    };
    let all = uplinks
        .iter()
        .flat_map(|(index, name, routers)| routers.iter().map(|router| route((*index, name, *router))));
    let routes: Vec<UplinkRoute> = all.collect();
    let rules = routes.iter().flat_map(|route| {
        let own: IpAddr = match route.family {
            Family::Ipv4 => Ipv4Addr::from(route.table).into(),
            Family::Ipv6 => Ipv6Addr::from(u128::from(route.table)).into(),
        };
        UplinkRule::pair(own, route.table)
    });
    UplinkState { rules: rules.collect(), routes }
}

/// The addresses that the rules are about, on the interfaces that they lead to.
fn sources(uplinks: &UplinkState) -> Vec<(IpAddr, NonZeroU32)> {
    let indexes = uplinks.routes.iter().filter_map(|route| Some(route.dev.as_ref()?.index));
    let of = |index: NonZeroU32| uplinks.rules.iter().filter(move |rule| rule.table == uplink_table(index));
    let all = indexes.flat_map(|index| of(index).filter_map(move |rule| Some((rule.from?, index))));
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn with_uplinks(uplinks: UplinkState) -> State {
    let limits = Numbers { subflows: 2, add_addr_accepted: 0 };
    State { limits, sysctls: Default::default(), endpoints: Vec::new(), uplinks: Some(uplinks) }
}

#[test]
fn each_interface_is_an_uplink() {
    let uplinks = routes(&[
        (7, "wwan1", &[None]),
        (3, "eth0", &[Some("192.0.2.1"), Some("fe80::1")]),
        (6, "wwan0", &[Some("10.64.64.1")]),
        (9, "_odd", &[None, None]),
    ]);
    let mut names = DeclaredNames::default();
    for index in [6, 7] {
        names.uplinks.tables.insert(uplink_table(index.try_into().unwrap()), "lte".to_owned());
    }
    let sources = sources(&uplinks);
    let text = configuration(&with_uplinks(uplinks), &names, ShownSysctls::All, &sources).unwrap();
    let expected = "\
uplinks:
  eth0:
    dev: eth0
    gateway:
    - 192.0.2.1
    - fe80::1
  if-9:
    dev: _odd
    gateway: none
  lte:
    dev: wwan0
    gateway: 10.64.64.1
  lte-2:
    dev: wwan1
    gateway: none
endpoints: {}
";
    assert_eq!(text.split_once("accepted: 0\n").unwrap().1, expected);
}

/// Applied, the uplink would add what is missing, or take away what is left.
#[test]
fn an_uplink_that_lacks_something_is_not_declared() {
    let whole =
        || routes(&[(3, "eth0", &[Some("192.0.2.1"), Some("fe80::1")]), (6, "wwan0", &[Some("10.64.64.1")])]);
    let names = DeclaredNames::default();
    let text_by = |uplinks, sources: &[(IpAddr, NonZeroU32)]| {
        configuration(&with_uplinks(uplinks), &names, ShownSysctls::All, sources).unwrap()
    };
    let text = |uplinks| text_by(uplinks, &sources(&whole()));
    assert!(text(whole()).contains("\nuplinks:\n") && !text(whole()).contains('#'));
    for at in 0..whole().rules.len() {
        let mut uplinks = whole();
        let (_, half) = (uplinks.rules.remove(at), uplinks.rules[at - at % 2].clone());
        let text = text(uplinks);
        assert!(
            text.contains(&format!("\n# cannot be declared: {half} (")) && !text.contains("uplinks:"),
            "{text}"
        );
    }
    for at in 0..whole().routes.len() {
        let mut uplinks = whole();
        uplinks.routes.remove(at);
        let text = text(uplinks);
        assert_eq!(
            (text.matches("\n# ").count(), text.contains("uplinks:")),
            (2, false),
            "both rules: {text}"
        );
    }
    let mut uplinks = whole();
    let without = uplinks.rules.remove(0).from;
    uplinks.rules.retain(|rule| rule.from != without);
    let left = text(uplinks);
    assert!(left.contains("dev eth0 table 868400003 (no rule leads to it)\n"), "{left}");
    assert!(left.contains(&format!("declared: address {} (the rules", without.unwrap())), "{left}");
    let gone = text_by(whole(), &sources(&whole())[1..]);
    assert_eq!((gone.matches("(its address, ").count(), gone.contains("uplinks:")), (2, false), "{gone}");
}

/// Applied, the configuration would take away what it does not name.
#[test]
fn what_cannot_be_declared_leaves_uplinks_alone() {
    let common: (u32, &str, &[Option<&str>]) = (3, "eth0", &[Some("192.0.2.1")]);
    for odd in ["wan[1", "!wan", "wan*"] {
        let uplinks = routes(&[common, (5, odd, &[None])]);
        let text = configuration(
            &with_uplinks(uplinks.clone()),
            &DeclaredNames::default(),
            ShownSysctls::All,
            &sources(&uplinks),
        )
        .unwrap();
        assert!(!text.contains("uplinks"), "{text}");
        let comment = format!("# cannot be declared: route default dev {odd} table 868400005\n");
        assert!(text.ends_with(&comment), "{text}");
    }
    let mut uplinks = routes(&[common]);
    uplinks.rules.clear();
    uplinks.routes[0].raw = vec![1];
    let text =
        configuration(&with_uplinks(uplinks), &DeclaredNames::default(), ShownSysctls::All, &[]).unwrap();
    assert!(!text.contains("uplinks") && text.contains("\n# cannot be declared: route via "), "{text}");
}

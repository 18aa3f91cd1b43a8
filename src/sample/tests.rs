use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;

const EVENTS: u64 = 200_000;

fn lines(options: Options) -> impl Iterator<Item = String> {
    Generator::new(options)
}

fn envelopes(options: Options) -> impl Iterator<Item = Value> {
    lines(options).map(|line| serde_json::from_str(&line).expect("a line is one JSON text"))
}

fn full() -> Options {
    Options { events: EVENTS, ..Options::default() }
}

fn text<'a>(envelope: &'a Value, field: &str) -> &'a str {
    envelope[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {envelope}"))
}

fn digest(options: Options) -> String {
    let mut hash = Sha256::new();
    let mut line = String::new();
    let mut generator = Generator::new(options);
    while generator.next_line(&mut line) {
        line.push('\n');
        hash.update(line.as_bytes());
        line.clear();
    }
    hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn share(part: u64, whole: u64) -> f64 {
    float(part) / float(whole)
}

#[track_caller]
fn assert_near(what: &str, actual: f64, expected: f64, tolerance: f64) {
    assert!((actual - expected).abs() <= tolerance, "{what}: {actual}, expected {expected} +- {tolerance}");
}

#[test]
fn one_seed_gives_the_same_bytes_for_ever() {
    let few = Options { events: 2_000, message_ids: true, ..Options::default() };
    assert_eq!(digest(few.clone()), "084ea5c5170c28fdc11382c6841981f9d9fec54cc785ce8394d7c403630708c2");
    assert_eq!(
        digest(Options { shape: Shape::Sparse, ..few.clone() }),
        "6f8e8314f2ee383100679e71f846368aab4c185fb997ac24d3f21d66f2476630"
    );
    assert_eq!(
        digest(Options { events: 2_000, ..Options::shop() }),
        "349d8cfedc6c20c3e5774dd884cc7fd2898db2c86c36de3f6b2b8e5bb25c0578"
    );
    assert_ne!(digest(few.clone()), digest(Options { seed: 2, ..few }));
}

#[test]
fn appending_to_a_text_keeps_what_is_there() {
    let options = Options { events: 3, ..Options::default() };
    let mut all = String::from(">");
    let mut generator = Generator::new(options.clone());
    while generator.next_line(&mut all) {}
    assert_eq!(all, format!(">{}", lines(options).collect::<String>()));
}

#[test]
fn full_envelopes_measure_500_to_650_bytes() {
    let mut sizes: Vec<usize> = lines(full()).map(|line| line.len()).collect();
    sizes.sort_unstable();
    let mean = share(sizes.iter().sum::<usize>() as u64, EVENTS);
    let percentile = |percent: usize| sizes[sizes.len() * percent / 100];
    println!(
        "mean {mean}, {} {} {} {} {}",
        sizes[0],
        percentile(5),
        percentile(50),
        percentile(95),
        sizes[sizes.len() - 1]
    );
    assert!((550.0..=620.0).contains(&mean), "mean {mean}");
    assert!(percentile(5) >= 500, "5 %: {}", percentile(5));
    assert!(percentile(95) <= 650, "95 %: {}", percentile(95));
}

#[test]
fn full_envelopes_have_every_field_and_nothing_else() {
    let known: BTreeSet<&str> = [
        "module",
        "eventType",
        "orgId",
        "projectId",
        "timestamp",
        "userId",
        "anonymousId",
        "properties",
        "context",
    ]
    .into();
    let modules: BTreeSet<&str> =
        ["analytics", "billing", "links", "messaging", "profiles", "support"].into();
    let names: BTreeSet<&str> = event_types().chain(["identify"]).collect();
    let (mut modules_seen, mut names_seen) = (BTreeSet::new(), BTreeSet::new());
    for envelope in envelopes(full()) {
        let fields: BTreeSet<&str> = envelope.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: BTreeSet<&str> = known
            .iter()
            .copied()
            .filter(|field| text(&envelope, "eventType") != "identify" || *field != "properties")
            .collect();
        assert_eq!(fields, expected, "{envelope}");
        let context = &envelope["context"];
        for field in ["userAgent", "locale", "ip"] {
            assert!(!text(context, field).is_empty());
        }
        if text(&envelope, "eventType") == "identify" {
            assert!((3..=8).contains(&context["traits"].as_object().unwrap().len()), "{envelope}");
        } else {
            assert!(!text(&context["page"], "url").is_empty() && !text(&context["page"], "title").is_empty());
        }
        modules_seen.insert(text(&envelope, "module").to_owned());
        names_seen.insert(text(&envelope, "eventType").to_owned());
    }
    assert!(modules_seen.iter().map(String::as_str).eq(modules));
    assert!(names_seen.iter().map(String::as_str).eq(names));
}

#[test]
fn addresses_come_from_the_documentation_ranges() {
    let mut v6 = 0;
    let prefixes = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"];
    for envelope in envelopes(full()) {
        let address = text(&envelope["context"], "ip");
        let parsed: std::net::IpAddr = address.parse().unwrap_or_else(|_| panic!("{address} is no address"));
        assert!(prefixes.iter().any(|prefix| address.starts_with(prefix)), "{address}");
        v6 += u64::from(parsed.is_ipv6());
    }
    assert_near("v6", share(v6, EVENTS), 0.2, 0.03);
}

#[test]
fn types_users_identifies_and_projects_have_their_frequencies() {
    let (mut by_type, mut by_user) = (HashMap::<String, u64>::new(), HashMap::<String, u64>::new());
    let (mut by_project, mut devices) = (HashMap::<String, u64>::new(), HashMap::<String, String>::new());
    for envelope in envelopes(full()) {
        *by_type.entry(text(&envelope, "eventType").to_owned()).or_default() += 1;
        *by_user.entry(text(&envelope, "userId").to_owned()).or_default() += 1;
        *by_project.entry(text(&envelope, "projectId").to_owned()).or_default() += 1;
        let device = text(&envelope, "anonymousId");
        assert_eq!(
            devices.entry(text(&envelope, "userId").to_owned()).or_insert_with(|| device.to_owned()),
            device
        );
    }
    assert_eq!(devices.values().collect::<HashSet<_>>().len(), devices.len(), "a device of two users");

    let identifies = by_type["identify"];
    assert_near("identify", share(identifies, EVENTS), 0.02, 0.002);
    let weights: f64 = (1..=60).map(|rank| f64::from(rank).powf(-1.35)).sum();
    for (rank, name) in (1..).zip(event_types()) {
        let expected = f64::from(rank).powf(-1.35) / weights;
        let deviation = (expected / float(EVENTS)).sqrt();
        assert_near(name, share(by_type[name], EVENTS - identifies), expected, 5.0 * deviation);
    }
    let weights: f64 = (1..=100_000).map(|rank| 1.0 / f64::from(rank)).sum();
    for rank in [1_u32, 2, 3, 10, 30, 100] {
        let expected = 1.0 / f64::from(rank) / weights;
        let deviation = (expected / float(EVENTS)).sqrt();
        assert_near("user", share(by_user[&user_id(rank - 1)], EVENTS), expected, 5.0 * deviation);
    }
    assert_eq!(by_project.len(), 4);
    for project in 0..4 {
        assert_near("project", share(by_project[&project_id(project).to_string()], EVENTS), 0.25, 0.01);
    }
}

/// Times of the lines, which compare as texts do.
fn times(options: Options) -> Vec<String> {
    envelopes(options).map(|envelope| text(&envelope, "timestamp").to_owned()).collect()
}

#[test]
fn one_percent_is_late_and_the_rest_in_order() {
    let (mut newest, mut late) = (String::new(), 0);
    let times = times(full());
    for time in &times {
        if *time < newest {
            late += 1;
        } else {
            newest.clone_from(time);
        }
    }
    assert_near("late", share(late, EVENTS), 0.01, 0.001);
    assert!(newest.starts_with("2024-06-30"), "{newest} is not the last of 182 days");
    assert!(times.iter().any(|time| time.starts_with("2024-02-29")), "no leap day");
    assert!(times.iter().all(|time| time.len() == "2024-01-01T00:00:00.000Z".len() && time.ends_with('Z')));
}

#[test]
fn more_events_than_milliseconds_still_fill_the_span() {
    let span = Duration::from_secs(9);
    let times = times(Options { events: 20_000, span, shape: Shape::Sparse, ..Options::default() });
    let on_time: Vec<&String> = times.iter().filter(|time| time.starts_with("2024-01-01T00:00:0")).collect();
    assert_eq!(on_time.first().unwrap().as_str(), "2024-01-01T00:00:00.000Z");
    assert_eq!(on_time.last().unwrap().as_str(), "2024-01-01T00:00:08.999Z");
}

#[test]
fn times_are_those_of_the_calendar() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (1_704_067_199, "2023-12-31T23:59:59.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    ] {
        let mut out = String::from("{");
        text::Json::new(&mut out).time("t", seconds * 1_000);
        assert_eq!(out, format!("{{\"t\":\"{expected}\""));
    }
}

#[test]
fn sparse_envelopes_fit_into_a_frame_of_128_bytes() {
    let fields = ["eventType", "module", "orgId", "projectId", "timestamp", "userId"];
    for envelope in envelopes(Options { shape: Shape::Sparse, ..full() }) {
        assert!(envelope.as_object().unwrap().keys().eq(fields), "{envelope}");
        let texts: usize =
            ["module", "eventType", "userId"].iter().map(|field| text(&envelope, field).len()).sum();
        assert!(texts <= 40, "{envelope}");
        assert_ne!(envelope["eventType"], "identify");
    }
    let shop = Options { shape: Shape::Sparse, ..Options::shop() };
    assert!(envelopes(shop).all(|envelope| envelope["eventType"] != "identify"));
}

#[test]
fn message_ids_are_all_different() {
    let options = Options { message_ids: true, shape: Shape::Sparse, ..full() };
    let ids: HashSet<String> =
        envelopes(options).map(|envelope| text(&envelope, "messageId").to_owned()).collect();
    assert_eq!(ids.len() as u64, EVENTS);
}

#[test]
fn odd_options_give_something_sensible() {
    let odd = Options {
        events: 50,
        projects: 0,
        users: 0,
        start: u64::MAX,
        span: Duration::MAX,
        ..Options::default()
    };
    assert_eq!(odd.project_ids().len(), 1);
    assert_eq!(envelopes(odd.clone()).count(), 50);
    assert_eq!(envelopes(Options { sessions: true, span: Duration::ZERO, start: 0, ..odd }).count(), 50);
    assert_eq!(lines(Options { events: 0, ..Options::shop() }).count(), 0);
}

#[test]
fn ids_are_uuids_and_two_projects_share_an_organisation() {
    let ids = Options::default().project_ids();
    for (org, project) in &ids {
        assert_eq!((org.get_version_num(), project.get_version_num()), (4, 4));
    }
    assert!(ids[0].0 == ids[1].0 && ids[1].0 != ids[2].0 && ids[2].0 == ids[3].0);
    assert_eq!(ids.iter().map(|ids| ids.1).collect::<HashSet<_>>().len(), 4);
}

/// For each step, how many users have an order of these steps, each in one of their sessions.
fn funnel(steps: &[&str]) -> Vec<usize> {
    let mut events: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for envelope in envelopes(Options::shop()) {
        let session = envelope["properties"]["sessionId"].as_str().unwrap_or_default();
        events
            .entry((text(&envelope, "userId").to_owned(), session.to_owned()))
            .or_default()
            .push((text(&envelope, "timestamp").to_owned(), text(&envelope, "eventType").to_owned()));
    }
    let mut furthest: HashMap<String, usize> = HashMap::new();
    for ((user, _), mut session) in events {
        session.sort();
        let mut reached = 0;
        for (_, name) in session {
            reached += usize::from(steps.get(reached) == Some(&name.as_str()));
        }
        let best = furthest.entry(user).or_default();
        *best = reached.max(*best);
    }
    (1..=steps.len()).map(|step| furthest.values().filter(|reached| **reached >= step).count()).collect()
}

#[test]
fn shoppers_view_then_fill_the_cart_then_some_order() {
    let reached = funnel(&["product.viewed", "cart.item_added", "order.placed"]);
    println!("{reached:?}");
    assert!(reached[0] > 1_900, "{reached:?}");
    assert!((40..80).contains(&(reached[1] * 100 / reached[0])), "{reached:?}");
    assert!((30..80).contains(&(reached[2] * 100 / reached[1])), "{reached:?}");
}

#[test]
fn shoppers_are_identified_first_and_pay_what_they_put_into_the_cart() {
    let mut carts = HashSet::new();
    let (mut seen, mut identifies, mut total, mut orders) = (HashSet::new(), 0, 0, 0);
    for envelope in envelopes(Options::shop()) {
        total += 1;
        let is_identify = envelope["eventType"] == "identify";
        identifies += u64::from(is_identify);
        let first = seen.insert(text(&envelope, "userId").to_owned());
        assert!(is_identify || !first, "{envelope}");
        let properties = &envelope["properties"];
        let in_session = |sku: &Value| format!("{} {sku}", properties["sessionId"]);
        if envelope["eventType"] == "cart.item_added" {
            carts.insert(in_session(&properties["sku"]));
        }
        if envelope["eventType"] == "order.placed" {
            let items = properties["items"].as_array().unwrap();
            let cents =
                items.iter().map(|item| (item["price"].as_f64().unwrap() * 100.0).round()).sum::<f64>();
            assert_near("amount", float(properties["amount"].as_u64().unwrap()), cents, 0.0);
            assert!(items.iter().all(|item| carts.contains(&in_session(&item["sku"]))), "{envelope}");
            orders += 1;
        }
    }
    assert_eq!(total, 200_000);
    assert!(orders > 1_000, "{orders} orders");
    assert_near("identify", share(identifies, total), 0.02, 0.005);
}

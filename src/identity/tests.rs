//! The graph over facts that stand in a list.

mod kept;

use super::{Act, Command, Conflict, Fact, FactSource, Graph, Member, MemberId, OwnFacts, Scope, Window};
use crate::envelope::fact::FactOrder;
use crate::error::{IdentityRule, Result};
use crate::types::Nanos;

/// Facts as rows keep them: of those of a pair and an act the least, unless all are asked for.
#[derive(Default)]
struct Lab {
    pairs: Vec<Fact>,
    identified: Vec<(MemberId, FactOrder)>,
    created: Vec<(MemberId, FactOrder)>,
    signed_up: Vec<(MemberId, FactOrder)>,
}

fn order(time: i64) -> FactOrder {
    FactOrder { timestamp: Nanos::new(time), message_id: "".into(), digest: [0; 16] }
}

fn user(id: &str) -> MemberId {
    MemberId::user(id)
}

fn device(id: &str) -> MemberId {
    MemberId::device(id)
}

impl Lab {
    fn pair(mut self, act: Act, time: i64, member: &MemberId, user: &MemberId) -> Self {
        if act == Act::Linked {
            self.identified.push((user.clone(), order(time)));
        }
        self.pairs.push(Fact { order: order(time), act, member: member.clone(), user: user.clone() });
        self
    }

    fn link(self, time: i64, member: &str, to: &str) -> Self {
        self.pair(Act::Linked, time, &device(member), &user(to))
    }

    fn alias(self, time: i64, from: &MemberId, to: &str) -> Self {
        self.pair(Act::Aliased, time, from, &user(to))
    }

    fn unlink(self, time: i64, member: &MemberId, from: &str) -> Self {
        self.pair(Act::Unlinked, time, member, &user(from))
    }

    fn identify(mut self, time: i64, id: &str) -> Self {
        self.identified.push((user(id), order(time)));
        self
    }

    fn create(mut self, time: i64, id: &str) -> Self {
        self.created.push((user(id), order(time)));
        self
    }

    fn sign_up(mut self, time: i64, id: &str) -> Self {
        self.signed_up.push((user(id), order(time)));
        self
    }

    fn graph(&self) -> Graph<&Self> {
        Graph::new(self, 1_000)
    }

    fn listed(&self) -> Vec<(i64, IdentityRule)> {
        self.listed_with(1_000)
    }

    fn listed_with(&self, members_max: usize) -> Vec<(i64, IdentityRule)> {
        let mut graph = Graph::new(self, members_max).listing();
        let mut ids: Vec<MemberId> = self.pairs.iter().map(|fact| fact.member.clone()).collect();
        ids.extend(self.created.iter().chain(&self.signed_up).map(|(id, _)| id.clone()));
        ids.sort();
        ids.dedup();
        let conflicts = ids.iter().flat_map(|id| graph.conflicts(id).unwrap());
        let mut listed: Vec<_> =
            conflicts.map(|Conflict { order, rule, .. }| (order.timestamp.get(), rule)).collect();
        listed.sort_unstable();
        listed
    }
}

impl FactSource for &Lab {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        let own = |facts: &[(MemberId, FactOrder)]| {
            facts.iter().filter(|(id, _)| id == of).map(|(_, order)| order.clone()).collect::<Vec<_>>()
        };
        let kept = |fact: &&Fact| {
            let is_first = |other: &Fact| {
                (other.act, &other.member, &other.user) != (fact.act, &fact.member, &fact.user)
                    || other.order >= fact.order
            };
            self.pairs.iter().all(is_first)
        };
        Ok(OwnFacts {
            identified: own(&self.identified).into_iter().min(),
            created: own(&self.created),
            signed_up: own(&self.signed_up),
            as_member: self.pairs.iter().filter(|fact| fact.member == *of).filter(kept).cloned().collect(),
            as_user: self.pairs.iter().filter(|fact| fact.user == *of).filter(kept).cloned().collect(),
        })
    }

    fn all_facts(&self, member: &MemberId, users: &[MemberId]) -> Result<Vec<Fact>> {
        let is_of = |fact: &&Fact| fact.member == *member && users.contains(&fact.user);
        Ok(self.pairs.iter().filter(is_of).cloned().collect())
    }
}

fn ids(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| &*member.id.id).collect()
}

#[test]
fn a_device_belongs_to_the_first_user_and_shares_from_the_second_on() {
    let lab = Lab::default().link(30, "tablet", "cleo").link(10, "tablet", "ben").link(40, "tablet", "cleo");
    let mut graph = lab.graph();
    let binding = graph.binding(&device("tablet")).unwrap();
    assert_eq!(binding.parent(), Some(&user("ben")));
    assert_eq!(binding.windows, [Window { from: Nanos::new(30), to: None }]);
    assert_eq!(graph.canonical(&device("tablet")).unwrap(), device("tablet"));
    let of_ben = graph.members(&user("ben")).unwrap();
    assert_eq!(ids(&of_ben), ["ben", "tablet"]);
    assert!(of_ben[1].scope.contains(Nanos::new(29)) && !of_ben[1].scope.contains(Nanos::new(30)));
    assert_eq!(ids(&graph.members(&user("cleo")).unwrap()), ["cleo"]);
    let own = graph.members(&device("tablet")).unwrap();
    assert!(own[0].scope.contains(Nanos::new(31)) && !own[0].scope.contains(Nanos::new(29)));
    assert_eq!(lab.listed(), [(30, IdentityRule::BoundToAnother)]);
}

#[test]
fn an_unlink_ends_the_window_and_bars_the_pair_for_links_only() {
    let tablet = device("tablet");
    let lab = Lab::default()
        .link(10, "tablet", "ben")
        .link(20, "tablet", "cleo")
        .unlink(30, &tablet, "ben")
        .link(40, "tablet", "ben")
        .link(50, "tablet", "cleo");
    let binding = lab.graph().binding(&tablet).unwrap();
    assert_eq!(binding.parent(), Some(&user("cleo")));
    assert_eq!(binding.windows, [Window { from: Nanos::new(20), to: Some(Nanos::new(30)) }]);
    assert_eq!(lab.listed(), [(20, IdentityRule::BoundToAnother), (40, IdentityRule::Unlinked)]);

    let lab = Lab::default().link(10, "tablet", "ben").unlink(30, &tablet, "ben").alias(40, &tablet, "ben");
    assert_eq!(lab.graph().canonical(&tablet).unwrap(), user("ben"));
    let lab = lab.unlink(20, &tablet, "cleo");
    assert_eq!(lab.listed(), [(20, IdentityRule::NotBound)]);
    assert_eq!(lab.graph().until(Nanos::new(35)).canonical(&tablet).unwrap(), tablet);
}

#[test]
fn places_go_by_the_first_facts_and_are_not_given_back() {
    let mut lab = Lab::default();
    for (time, id) in [(10, "a"), (20, "b"), (30, "c")] {
        lab = lab.link(time, id, "anna");
    }
    let lab = lab.unlink(40, &device("a"), "anna").link(50, "c", "anna").link(60, "c", "ben");
    let mut graph = Graph::new(&lab, 2);
    assert_eq!(ids(&graph.members(&user("anna")).unwrap()), ["anna", "b"]);
    assert_eq!(graph.canonical(&device("c")).unwrap(), user("ben"));
    assert!(graph.binding(&device("c")).unwrap().windows.is_empty());
    assert_eq!(lab.listed_with(2), [(30, IdentityRule::NoPlace)]);
    let (c, d, anna) = (device("c"), device("d"), user("anna"));
    let rule = |from| Graph::new(&lab, 2).check(Command::Alias { from, to: &anna }).unwrap();
    assert_eq!(rule(&c), Some(IdentityRule::NoPlace));
    assert_eq!(rule(&d), Some(IdentityRule::NoPlace));
    assert_eq!(rule(&device("b")), None);
    assert_eq!(Graph::new(&lab, 4).check(Command::Alias { from: &d, to: &anna }).unwrap(), None);
}

#[test]
fn users_are_merged_in_chains_and_never_in_circles() {
    let lab = Lab::default()
        .alias(10, &user("v1"), "v2")
        .alias(20, &user("v2"), "v3")
        .alias(30, &user("v3"), "v1")
        .link(15, "phone", "v1");
    let mut graph = lab.graph();
    for member in [user("v1"), user("v2"), user("v3"), device("phone")] {
        assert_eq!(graph.canonical(&member).unwrap(), user("v3"));
    }
    assert_eq!(ids(&graph.members(&user("v3")).unwrap()), ["v3", "v2", "v1", "phone"]);
    assert_eq!(lab.listed(), [(30, IdentityRule::Cycle)]);

    // Which of two aliases closes the circle is a matter of the order alone.
    let lab = Lab::default().alias(20, &user("v1"), "v2").alias(10, &user("v2"), "v1");
    assert_eq!(lab.graph().canonical(&user("v2")).unwrap(), user("v1"));
    assert_eq!(lab.listed(), [(20, IdentityRule::Cycle)]);
    // An unlink in between opens it.
    let lab = lab.unlink(15, &user("v2"), "v1");
    assert_eq!(lab.graph().canonical(&user("v1")).unwrap(), user("v2"));
    assert!(lab.listed().is_empty());
}

#[test]
fn an_identified_user_is_not_merged_and_an_anonymous_one_is_until_it_signs_up() {
    let lab = Lab::default().identify(10, "ben").alias(20, &user("ben"), "anna");
    assert_eq!(lab.listed(), [(20, IdentityRule::CannotMergeIdentified)]);
    assert!(!lab.graph().is_made(&user("anna")).unwrap());

    let lab = Lab::default().create(10, "v").identify(20, "v").alias(30, &user("v"), "anna").sign_up(40, "v");
    assert_eq!(lab.graph().canonical(&user("v")).unwrap(), user("anna"));
    assert!(lab.graph().is_made(&user("anna")).unwrap());
    assert!(lab.listed().is_empty());
    // Stays made when the alias is undone.
    let lab = lab.unlink(50, &user("v"), "anna");
    assert!(lab.graph().is_made(&user("anna")).unwrap());
    assert_eq!(lab.graph().canonical(&user("v")).unwrap(), user("v"));
}

#[test]
fn the_first_sign_up_counts_unless_an_identify_came_first() {
    let lab = Lab::default().sign_up(20, "anna").sign_up(10, "anna").identify(30, "anna");
    let state = lab.graph().state(&user("anna")).unwrap();
    assert!(state.has_signed_up);
    assert_eq!(state.identified_by, Some(order(10)));
    assert_eq!(lab.listed(), [(20, IdentityRule::AlreadyIdentified)]);

    let lab = lab.identify(5, "anna").create(7, "anna").create(8, "anna");
    assert_eq!(lab.graph().state(&user("anna")).unwrap().identified_by, Some(order(5)));
    let already = IdentityRule::AlreadyIdentified;
    assert_eq!(lab.listed(), [(7, already), (10, already), (20, already)]);
    // Before the late identify the user was minted.
    let then = lab.graph().until(Nanos::new(4)).state(&user("anna")).unwrap();
    assert!(then.identified_by.is_none());
}

#[test]
fn a_command_rests_on_facts_and_tells_the_newest() {
    let lab = Lab::default().link(10, "tablet", "ben").alias(90, &user("v"), "ben");
    let (tablet, ben, anna) = (device("tablet"), user("ben"), user("anna"));
    let mut graph = lab.graph();
    let rule = graph.check(Command::Alias { from: &tablet, to: &anna }).unwrap();
    assert_eq!(rule, Some(IdentityRule::BoundToAnother));
    assert_eq!(graph.check(Command::Alias { from: &tablet, to: &ben }).unwrap(), None);
    assert_eq!(graph.newest(), Some(Nanos::new(90)));
    assert_eq!(graph.check(Command::Unlink { member: &tablet, user: &ben }).unwrap(), None);
    let rule = graph.check(Command::Unlink { member: &tablet, user: &anna }).unwrap();
    assert_eq!(rule, Some(IdentityRule::NotBound));
    let rule = graph.check(Command::SignUp { user: &ben }).unwrap();
    assert_eq!(rule, Some(IdentityRule::AlreadyIdentified));
    assert_eq!(graph.check(Command::SignUp { user: &anna }).unwrap(), None);
    let v = user("v");
    let rule = graph.check(Command::Alias { from: &ben, to: &v }).unwrap();
    assert_eq!(rule, Some(IdentityRule::CannotMergeIdentified));
    let lab = Lab::default().alias(10, &user("v"), "w");
    let rule = lab.graph().check(Command::Alias { from: &user("w"), to: &v }).unwrap();
    assert_eq!(rule, Some(IdentityRule::Cycle));
    assert_eq!(lab.graph().members(&v).unwrap()[0].scope, Scope::All);
}

#[test]
fn the_newest_fact_is_told_whatever_it_says() {
    let (ben, phone) = (user("ben"), device("phone"));
    for (lab, newest) in [
        (Lab::default().identify(50, "ben").create(20, "ben"), 50),
        (Lab::default().identify(10, "ben").create(60, "ben"), 60),
        (Lab::default().create(30, "ben").sign_up(70, "ben").identify(40, "ben"), 70),
        (Lab::default().link(10, "tablet", "ben").identify(5, "ben"), 10),
        (Lab::default().alias(10, &ben, "anna").unlink(80, &ben, "anna"), 80),
    ] {
        let mut graph = lab.graph();
        assert_eq!(graph.check(Command::Alias { from: &phone, to: &ben }).unwrap(), None);
        assert_eq!(graph.newest(), Some(Nanos::new(newest)));
    }
}

#[test]
fn an_unlink_takes_no_place_and_a_pair_without_one_is_listed_once() {
    let (x, b, v) = (device("x"), device("b"), user("v"));
    let lab = Lab::default().unlink(5, &x, "anna").link(10, "a", "anna");
    let rule = Graph::new(&lab, 2).check(Command::Alias { from: &b, to: &user("anna") }).unwrap();
    assert_eq!(rule, None);
    let lab = lab.link(20, "b", "anna");
    assert_eq!(ids(&Graph::new(&lab, 2).members(&user("anna")).unwrap()), ["anna", "a", "b"]);
    let lab = lab.alias(30, &v, "anna").alias(40, &v, "anna");
    assert_eq!(lab.listed_with(2), [(5, IdentityRule::NotBound), (30, IdentityRule::NoPlace)]);
}

#[test]
fn a_user_who_was_made_twice_is_minted_from_the_first_on() {
    let lab = Lab::default().create(10, "v").identify(20, "v").create(30, "v");
    assert!(lab.graph().state(&user("v")).unwrap().identified_by.is_none());
    assert!(lab.listed().is_empty());
}

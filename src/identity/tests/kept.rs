//! A graph that goes on from what was kept of facts answers as one that reads them all.

use std::cell::{Cell, RefCell};

use hashbrown::HashMap;

use super::*;
use crate::identity::Told;

/// A lab that keeps what was found out, and adds to it what was told since.
#[derive(Default)]
struct Keeping {
    lab: Lab,
    told: RefCell<HashMap<MemberId, Told>>,
    recalled: Cell<u64>,
    /// The most facts that were recalled at once.
    most: Cell<usize>,
}

impl Keeping {
    fn tell(&mut self, fact: Fact) {
        self.told.get_mut().retain(|member, told| {
            if *member == fact.member {
                let with = told.with([fact.clone()]);
                with.map(|with| *told = with).is_some()
            } else {
                true
            }
        });
        if fact.act == Act::Linked {
            self.lab.identified.push((fact.user.clone(), fact.order.clone()));
        }
        self.lab.pairs.push(fact);
    }
}

impl FactSource for &Keeping {
    fn facts(&self, of: &MemberId) -> Result<OwnFacts> {
        (&self.lab).facts(of)
    }

    fn all_facts(&self, member: &MemberId, users: &[MemberId]) -> Result<Vec<Fact>> {
        (&self.lab).all_facts(member, users)
    }

    fn recall(&self, member: &MemberId) -> Result<Option<Told>> {
        let told = self.told.borrow().get(member).cloned();
        if let Some(told) = &told {
            self.recalled.set(self.recalled.get() + 1);
            self.most.set(self.most.get().max(told.facts.len()));
        }
        Ok(told)
    }

    fn keep(&self, member: &MemberId, told: &Told) {
        self.told.borrow_mut().insert(member.clone(), told.clone());
    }
}

/// A small generator of pseudo-random numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Everything that a graph says of some members.
fn answers<S: FactSource>(graph: impl Fn() -> Graph<S>, members: &[MemberId], time: i64) -> Vec<String> {
    let mut answers = Vec::new();
    for member in members {
        let mut say = |kind: &str, mut graph: Graph<S>| {
            let binding = graph.binding(member).unwrap();
            let (by, windows) = (binding.by.clone(), binding.windows.clone());
            let conflicts = if kind == "listing" { graph.conflicts(member).unwrap() } else { Vec::new() };
            answers.push(format!(
                "{kind} {}: {:?} {windows:?} {:?} {conflicts:?}",
                member.id,
                by.map(|fact| (fact.order, fact.user.id)),
                binding.aliased_to.iter().map(|user| &user.id).collect::<Vec<_>>()
            ));
        };
        say("now", graph());
        say("then", graph().until(Nanos::new(time)));
        say("listing", graph().listing());
        let (user, mut graph) = (user("u0"), graph());
        let rule = graph.check(Command::Unlink { member, user: &user }).unwrap();
        answers.push(format!("unlink {}: {rule:?}, newest {:?}", member.id, graph.newest()));
    }
    answers
}

#[test]
fn what_was_kept_of_facts_answers_as_all_of_them_do() {
    let (mut recalled, mut most) = (0, 0);
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let members = [device("d0"), device("d1"), user("m0"), user("u1")];
        let (users, members_max) = (1 + random.below(4), 1 + random.below(3) * 2);
        let is_onward = random.below(3) > 0;
        let mut keeping = Keeping::default();
        for step in 0..40 {
            let time = if is_onward && random.below(8) > 0 { step * 3 } else { random.below(120) };
            let member = &members[usize::try_from(random.below(4)).unwrap()];
            let act = match random.below(10) {
                0..6 if !member.is_user() => Act::Linked,
                0..8 => Act::Aliased,
                _ => Act::Unlinked,
            };
            let to = user(&format!("u{}", random.below(users)));
            if to == *member {
                continue;
            }
            let mut order = order(i64::try_from(time).unwrap());
            // As that of real facts, it tells two of one time apart.
            order.digest[..2].copy_from_slice(&[act as u8, u8::from(member.is_user())]);
            order.digest[2..6].copy_from_slice(format!("{}{}", member.id, to.id).as_bytes());
            keeping.tell(Fact { order, act, member: member.clone(), user: to });
            if random.below(4) == 0 {
                continue;
            }
            let then = i64::try_from(random.below(120)).unwrap();
            let max = usize::try_from(members_max).unwrap();
            let one = answers(|| Graph::new(&keeping, max), &members, then);
            let all = answers(|| Graph::new(&keeping.lab, max), &members, then);
            assert_eq!(one, all, "seed {seed}, step {step}");
        }
        recalled += keeping.recalled.get();
        most = most.max(keeping.most.get());
    }
    assert!(recalled > 30_000, "{recalled}");
    assert!(most > 5, "{most}");
}

#[test]
fn sign_ins_that_repeat_each_other_are_kept_as_one() {
    let (anna, tablet) = (user("anna"), device("tablet"));
    let mut keeping = Keeping::default();
    let fact = |act, time| Fact { order: order(time), act, member: tablet.clone(), user: anna.clone() };
    keeping.tell(fact(Act::Linked, 0));
    keeping.tell(fact(Act::Unlinked, 500));
    (1..1_000).for_each(|time| keeping.tell(fact(Act::Linked, 2 * time)));
    assert_eq!(Graph::new(&keeping, 1_000).binding(&tablet).unwrap().parent(), None);
    // The link, the unlink, and the first link behind it, which is barred.
    assert_eq!(keeping.told.borrow()[&tablet].facts.len(), 3);
    keeping.tell(fact(Act::Aliased, 5_000));
    (2_501..3_000).for_each(|time| keeping.tell(fact(Act::Linked, 2 * time)));
    assert_eq!(Graph::new(&keeping, 1_000).binding(&tablet).unwrap().parent(), Some(&anna));
    assert_eq!(keeping.told.borrow()[&tablet].facts.len(), 4);
    keeping.tell(fact(Act::Unlinked, 4_000));
    assert!(!keeping.told.borrow().contains_key(&tablet), "it stands before others");
}

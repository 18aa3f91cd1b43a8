//! A table of cases, written by hand from the rules, and its runner.
//!
//! The runner takes whatever answers the questions of the table, so that the naive model
//! and an implementation are held to the same expectations. A case is a block of lines:
//!
//! ```text
//! case I4.2 a title in words
//! members_max 2
//! 1 t=10 identify user=anna device=tab plan=pro once.via=ad id=m1
//! 2 t=20 aliased from=device:tab user=ben
//! timeline user:anna = 1 2
//! owner 1 = user:anna
//! canonical device:tab = user:anna
//! members user:anna = device:tab user:anna
//! profile user:anna = identified members=user:anna,device:tab plan=pro@10
//! profile device:tab = as user:anna identified members=user:anna,device:tab plan=pro@10
//! profile_at 5 user:anna = none
//! profiles = user:anna device:tab
//! conflict BoundToAnother aliased t=20 id=m1 device:tab user:ben
//! ```
//!
//! The steps are events in the order of their arrival, t is in nanoseconds, and an empty
//! list of expected events or persons is `none`. A case names all its conflicts, in order,
//! unless it has the line `only_agreement`: then, as in every case, all orders of arrival
//! must agree on profiles and conflicts. A value is a number, true, false, null, a JSON list
//! or object, or text, which quotes of either kind may enclose.

mod parse;

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::histories::{SplitMix64, renumber};
use super::naive::{Naive, NaiveConflict, NaiveEvent, NaiveProfile, Person};

/// What is asked of a model or an implementation. The seqs are those of the events that it
/// was built from; an implementation that numbers differently translates.
pub(crate) trait Answers {
    fn timeline(&self, person: &Person) -> Vec<u64>;
    fn owner(&self, seq: u64) -> Option<Person>;
    fn canonical(&self, person: &Person) -> Person;
    fn members(&self, person: &Person) -> Vec<Person>;
    fn profile(&self, person: &Person) -> Option<NaiveProfile>;
    fn profile_at(&self, person: &Person, time: i64) -> Option<NaiveProfile>;
    fn profiles(&self) -> Vec<NaiveProfile>;
    fn conflicts(&self) -> Vec<NaiveConflict>;
}

impl Answers for Naive {
    fn timeline(&self, person: &Person) -> Vec<u64> {
        Naive::timeline(self, person)
    }

    fn owner(&self, seq: u64) -> Option<Person> {
        Naive::owner(self, seq)
    }

    fn canonical(&self, person: &Person) -> Person {
        Naive::canonical(self, person)
    }

    fn members(&self, person: &Person) -> Vec<Person> {
        Naive::members(self, person)
    }

    fn profile(&self, person: &Person) -> Option<NaiveProfile> {
        Naive::profile(self, person)
    }

    fn profile_at(&self, person: &Person, time: i64) -> Option<NaiveProfile> {
        Naive::profile_at(self, person, time)
    }

    fn profiles(&self) -> Vec<NaiveProfile> {
        Naive::profiles(self)
    }

    fn conflicts(&self) -> Vec<NaiveConflict> {
        Naive::conflicts(self)
    }
}

#[derive(Debug)]
pub(crate) enum Question {
    Timeline(Person, Vec<u64>),
    Owner(u64, Option<Person>),
    Canonical(Person, Person),
    Members(Person, Vec<Person>),
    Profile(Person, Option<NaiveProfile>),
    ProfileAt(Person, i64, Option<NaiveProfile>),
    Profiles(Vec<Person>),
}

#[derive(Debug)]
pub(crate) struct Case {
    /// The clause and a number, as in `I4.2`.
    pub(crate) name: String,
    pub(crate) members_max: usize,
    /// The seqs are the numbers of the steps.
    pub(crate) steps: Vec<NaiveEvent>,
    /// Each with its line.
    pub(crate) questions: Vec<(String, Question)>,
    pub(crate) conflicts: Vec<NaiveConflict>,
    pub(crate) only_agreement: bool,
}

/// How many orders of arrival a case is run in, besides the one that is written.
const SHUFFLES: u64 = 6;

/// Runs every case in several orders of arrival and reports all that is not as expected.
pub(crate) fn check_all<A: Answers>(mut build: impl FnMut(&[NaiveEvent], usize) -> A) {
    let mut failures = Vec::new();
    for case in all() {
        let mut first = None;
        for order in 0..=SHUFFLES {
            let mut steps = case.steps.clone();
            if order > 0 {
                SplitMix64(order).shuffle(&mut steps);
            }
            let of_seq: BTreeMap<u64, u64> = (1..).zip(steps.iter().map(|s| s.seq)).collect();
            renumber(&mut steps);
            let answers = build(&steps, case.members_max);
            let run = Run { case: &case, order, of_seq, failures: &mut failures };
            run.check(&answers);
            let sum = (answers.profiles(), answers.conflicts());
            let first = first.get_or_insert_with(|| sum.clone());
            if *first != sum {
                failures
                    .push(format!("{}: order {order} gives {sum:?}, the written one {first:?}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

struct Run<'a> {
    case: &'a Case,
    order: u64,
    /// The number of the step that has a seq in this order of arrival.
    of_seq: BTreeMap<u64, u64>,
    failures: &'a mut Vec<String>,
}

impl Run<'_> {
    fn check(mut self, answers: &impl Answers) {
        let case = self.case;
        for (line, question) in &case.questions {
            match question {
                Question::Timeline(person, expected) => {
                    let steps: Vec<u64> = answers
                        .timeline(person)
                        .iter()
                        .map(|seq| self.of_seq.get(seq).copied().unwrap_or(0))
                        .collect();
                    self.same(line, &self.in_this_order(expected), &steps);
                }
                Question::Owner(step, expected) => {
                    let seq = self.seq_of(*step);
                    self.same(line, expected, &answers.owner(seq));
                }
                Question::Canonical(person, expected) => {
                    self.same(line, expected, &answers.canonical(person));
                }
                Question::Members(person, expected) => {
                    self.same(line, expected, &answers.members(person));
                }
                Question::Profile(person, expected) => {
                    self.same(line, expected, &answers.profile(person));
                }
                Question::ProfileAt(person, time, expected) => {
                    self.same(line, expected, &answers.profile_at(person, *time));
                }
                Question::Profiles(expected) => {
                    let persons: Vec<Person> = answers.profiles().into_iter().map(|p| p.person).collect();
                    self.same(line, expected, &persons);
                }
            }
        }
        if !case.only_agreement {
            self.same("its conflicts", &case.conflicts, &answers.conflicts());
        }
    }

    fn seq_of(&self, step: u64) -> u64 {
        let mut found = 0;
        for (seq, of) in &self.of_seq {
            if *of == step {
                found = *seq;
            }
        }
        found
    }

    /// The expected steps as they stand in this order of arrival, which decides ties.
    fn in_this_order(&self, expected: &[u64]) -> Vec<u64> {
        let mut keyed = Vec::new();
        for step in expected {
            let event = self.case.steps.iter().find(|event| event.seq == *step);
            let event = event.expect("the parser has checked the steps");
            keyed.push((event.timestamp, self.seq_of(*step), *step));
        }
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, _, step)| step).collect()
    }

    fn same<T: PartialEq + Debug>(&mut self, line: &str, expected: &T, got: &T) {
        if expected != got {
            self.failures.push(format!(
                "{} in order {}: {line}\n  expected {expected:?}\n  got      {got:?}",
                self.case.name, self.order
            ));
        }
    }
}

/// The whole table.
pub(crate) fn all() -> Vec<Case> {
    let files = [
        include_str!("cases/state.txt"),
        include_str!("cases/links.txt"),
        include_str!("cases/aliases.txt"),
        include_str!("cases/timelines.txt"),
        include_str!("cases/unlinks.txt"),
        include_str!("cases/no_ids.txt"),
        include_str!("cases/facts.txt"),
        include_str!("cases/more.txt"),
    ];
    files.iter().flat_map(|text| parse::parse(text)).collect()
}

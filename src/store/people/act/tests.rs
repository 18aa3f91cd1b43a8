//! Facts that arrive between the decision of an act and the log's lock.

mod retried;

use std::cell::Cell;
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use super::TRIES_MAX;
use crate::envelope::{Envelope, EventType, Value};
use crate::error::{Error, IdentityRule, Result};
use crate::identity::{Command, MemberId};
use crate::storage::sim::SimDisk;
use crate::store::ack::Ack;
use crate::store::handle::{Snapshot, SnapshotSource};
use crate::store::people::decide::{Basis, Decided, StagedFacts};
use crate::store::people::facts::person_of;
use crate::store::{Options, Store};
use crate::types::{Nanos, Seq};
use crate::{Durability, PersonRef, Uuid};

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);
const PHONE: PersonRef<'_> = PersonRef::Anonymous("phone");

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn link(second: i64, user: &str) -> Envelope {
    Envelope::new(ORG, PROJECT, "shop", "identify").user(user).anonymous("phone").at(at(second))
}

fn fact(event_type: &str, second: i64, member: PersonRef<'_>, user: &str) -> Envelope {
    let (kind, key) = (
        if matches!(member, PersonRef::User(_)) { "user" } else { "anonymous" },
        if event_type == EventType::ALIASED { "from" } else { "member" },
    );
    let named = [("kind", Value::from(kind)), ("id", Value::from(member.id()))];
    let envelope = Envelope::new(ORG, PROJECT, "shop", event_type).user(user).at(at(second));
    envelope.property(key, Value::Object(named.into_iter().collect()))
}

fn alias(second: i64, member: PersonRef<'_>, user: &str) -> Envelope {
    fact(EventType::ALIASED, second, member, user)
}

fn unlink(second: i64, member: PersonRef<'_>, user: &str) -> Envelope {
    fact(EventType::UNLINKED, second, member, user)
}

fn about(event_type: &str, second: i64, user: &str) -> Envelope {
    Envelope::new(ORG, PROJECT, "shop", event_type).user(user).at(at(second))
}

/// The stores that an act may be asked of: those that map their log, and those that stage what is synced.
fn stores() -> Vec<Store> {
    let mut stores = vec![Store::in_memory().unwrap()];
    for level in [Durability::Synced, Durability::Buffered] {
        stores.push(Options::new().durability(level).open_on(&SimDisk::default()).unwrap());
    }
    stores
}

fn act(store: &Store, command: Command<'_>, between: &dyn Fn(u32)) -> Result<Ack> {
    let scope = store.scope(ORG, PROJECT, "shop");
    let envelope = |event_type, member: Option<(&str, &MemberId)>, user: &MemberId| match member {
        Some((_, member)) => {
            let mut envelope = fact(event_type, 0, person_of(member), &user.id);
            envelope.timestamp = None;
            envelope
        }
        None => scope.envelope_of_act(event_type, &user.id),
    };
    let envelope = match command {
        Command::SignUp { user } => envelope(EventType::SIGNED_UP, None, user),
        Command::Alias { from, to } => envelope(EventType::ALIASED, Some(("from", from)), to),
        Command::Unlink { member, user } => envelope(EventType::UNLINKED, Some(("member", member)), user),
    };
    scope.act_with(&envelope, command, between)
}

/// Asks for an act in a store with these facts, and stores others once it was decided.
fn asked(before: &[Envelope], command: Command<'_>, between: &[Envelope]) -> Vec<Result<Ack>> {
    let mut answers = Vec::new();
    for store in stores() {
        // Whether waited for or not: what has its place counts.
        for waits in [true, false] {
            let store = if waits { store.clone() } else { stores().remove(answers.len() / 2) };
            for fact in before {
                store.append(fact).unwrap();
            }
            let tickets = Cell::new(Vec::new());
            answers.push(act(&store, command, &|tries| {
                if tries > 0 {
                    return;
                }
                for fact in between {
                    if waits {
                        store.append(fact).unwrap();
                    } else {
                        let mut staged = tickets.take();
                        staged.push(store.submit(fact).unwrap());
                        tickets.set(staged);
                    }
                }
            }));
            for ticket in tickets.take() {
                ticket.wait().unwrap();
            }
        }
    }
    answers
}

fn assert_refused(before: &[Envelope], command: Command<'_>, between: &[Envelope], rule: IdentityRule) {
    for (at, answer) in asked(before, command, between).into_iter().enumerate() {
        assert!(
            matches!(answer, Err(Error::Identity { rule: broken }) if broken == rule),
            "{at}: {answer:?}"
        );
    }
    for answer in asked(before, command, &[]) {
        assert!(answer.is_ok(), "without the facts in between: {answer:?}");
    }
}

fn user(id: &str) -> MemberId {
    MemberId::user(id)
}

fn phone() -> MemberId {
    MemberId::device("phone")
}

#[test]
fn a_sign_up_is_refused_for_an_identify_that_arrives_before_the_lock() {
    let anna = user("anna");
    let sign_up = Command::SignUp { user: &anna };
    assert_refused(&[], sign_up, &[about("identify", 1, "anna")], IdentityRule::AlreadyIdentified);
    let made = [about(EventType::ANONYMOUS_CREATED, 1, "anna")];
    let signed_up = [about(EventType::SIGNED_UP, 2, "anna")];
    assert_refused(&made, sign_up, &signed_up, IdentityRule::AlreadyIdentified);
}

#[test]
fn an_alias_is_refused_for_a_fact_that_arrives_before_the_lock() {
    let (anna, cleo, from) = (user("anna"), user("cleo"), phone());
    let of_phone = Command::Alias { from: &from, to: &cleo };
    assert_refused(&[], of_phone, &[link(1, "anna")], IdentityRule::BoundToAnother);
    let of_anna = Command::Alias { from: &anna, to: &cleo };
    assert_refused(&[], of_anna, &[about("identify", 1, "anna")], IdentityRule::CannotMergeIdentified);
    assert_refused(&[], of_anna, &[alias(1, PersonRef::User("cleo"), "anna")], IdentityRule::Cycle);
    // One that another user stands between is as good.
    let through = [alias(1, PersonRef::User("cleo"), "ben"), alias(2, PersonRef::User("ben"), "anna")];
    assert_refused(&[], of_anna, &through, IdentityRule::Cycle);
}

#[test]
fn an_alias_is_refused_for_a_repeated_link_of_a_member_that_was_unlinked() {
    let (cleo, from) = (user("cleo"), phone());
    // The row of the phone has the link to anna, the least one, which changed nothing.
    let before = [link(10, "ben"), link(20, "anna"), unlink(30, PHONE, "ben")];
    let of_phone = Command::Alias { from: &from, to: &cleo };
    assert_refused(&before, of_phone, &[link(40, "anna")], IdentityRule::BoundToAnother);
    // Also where it arrives late, before others that say something.
    let mut before = before.to_vec();
    before.extend([link(60, "ben"), link(61, "ben")]);
    assert_refused(&before, of_phone, &[link(40, "anna")], IdentityRule::BoundToAnother);
}

#[test]
fn an_alias_is_refused_for_a_member_that_is_unlinked_and_bound_again_before_the_lock() {
    let (anna, cleo) = (user("anna"), user("cleo"));
    let before = [alias(10, PersonRef::User("anna"), "ben"), unlink(20, PersonRef::User("anna"), "ben")];
    let of_anna = Command::Alias { from: &anna, to: &cleo };
    let again = [alias(30, PersonRef::User("anna"), "ben")];
    assert_refused(&before, of_anna, &again, IdentityRule::BoundToAnother);
    let under_another =
        [alias(30, PersonRef::User("cleo"), "ben"), alias(40, PersonRef::User("ben"), "anna")];
    assert_refused(&before, of_anna, &under_another, IdentityRule::Cycle);
}

#[test]
fn an_unlink_is_refused_for_a_fact_that_arrives_before_the_lock() {
    let (anna, member) = (user("anna"), phone());
    let of_phone = Command::Unlink { member: &member, user: &anna };
    assert_refused(&[link(10, "anna")], of_phone, &[unlink(20, PHONE, "anna")], IdentityRule::NotBound);
    assert_refused(&[link(10, "anna")], of_phone, &[link(5, "ben")], IdentityRule::NotBound);
    let before = [alias(10, PHONE, "anna"), unlink(20, PHONE, "anna"), alias(30, PHONE, "anna")];
    assert_refused(&before, of_phone, &[unlink(40, PHONE, "anna")], IdentityRule::NotBound);
    // A repeat of what the row has, at a place where it binds the phone to somebody else.
    let before = [link(10, "ben"), link(11, "anna"), unlink(20, PHONE, "ben"), link(40, "anna")];
    assert_refused(&before, of_phone, &[link(30, "cleo")], IdentityRule::NotBound);
}

#[test]
fn an_act_is_stamped_behind_a_repeated_link_that_arrives_before_the_lock() {
    let (cleo, from) = (user("cleo"), phone());
    for store in stores() {
        for fact in [link(10, "anna"), unlink(30, PHONE, "anna")] {
            store.append(fact).unwrap();
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let ahead = DateTime::from_timestamp(i64::try_from(now).unwrap() + 3_600, 0).unwrap();
        let command = Command::Alias { from: &from, to: &cleo };
        let ack = act(&store, command, &|tries| {
            if tries == 0 {
                store.append(link(0, "anna").at(ahead)).unwrap();
            }
        });
        let event = store.project(PROJECT).get(ack.unwrap().position).unwrap().unwrap();
        assert!(event.timestamp() > ahead);
    }
}

#[test]
fn an_act_ends_and_is_decided_on_everything_where_facts_arrive_at_every_try() {
    let (anna, cleo, from) = (user("anna"), user("cleo"), phone());
    for store in stores() {
        for fact in [link(10, "ben"), link(20, "anna"), unlink(30, PHONE, "ben")] {
            store.append(fact).unwrap();
        }
        let tries_seen = Cell::new(0);
        let command = Command::Alias { from: &from, to: &cleo };
        let answer = act(&store, command, &|tries| {
            tries_seen.set(tries + 1);
            // The last one makes a difference.
            let user = if tries < TRIES_MAX { "ben" } else { "anna" };
            store.append(link(40 + i64::from(tries), user)).unwrap();
        });
        assert!(matches!(answer, Err(Error::Identity { rule: IdentityRule::BoundToAnother })), "{answer:?}");
        assert_eq!(tries_seen.get(), TRIES_MAX + 1);
        act(&store, Command::Unlink { member: &from, user: &anna }, &|_| {}).unwrap();
    }
}

#[test]
fn an_act_ends_where_facts_with_ever_later_times_arrive_at_every_try() {
    let (cleo, from) = (user("cleo"), phone());
    for store in stores() {
        for fact in [link(10, "ben"), unlink(30, PHONE, "ben")] {
            store.append(fact).unwrap();
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let ahead = DateTime::from_timestamp(i64::try_from(now).unwrap() + 3_600, 0).unwrap();
        let tries_seen = Cell::new(0);
        let last = Cell::new(ahead);
        let ack = act(&store, Command::Alias { from: &from, to: &cleo }, &|tries| {
            tries_seen.set(tries + 1);
            if tries < 100 {
                last.set(ahead + chrono::TimeDelta::milliseconds(10 * i64::from(tries)));
                store.append(link(0, "ben").at(last.get())).unwrap();
            }
        });
        let event = store.project(PROJECT).get(ack.unwrap().position).unwrap().unwrap();
        assert!(event.timestamp() > last.get(), "behind all that it rests on");
        assert!(event.timestamp() < last.get() + chrono::TimeDelta::milliseconds(100), "and not far behind");
        assert!((TRIES_MAX..TRIES_MAX + 10).contains(&tries_seen.get()), "{} tries", tries_seen.get());
    }
}

#[test]
fn a_sign_up_is_stamped_behind_an_alias_that_its_row_does_not_keep() {
    let (zoe, visitor) = (user("zoe"), PersonRef::User("zoe"));
    for store in stores() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let ahead = DateTime::from_timestamp(i64::try_from(now).unwrap() + 3_600, 0).unwrap();
        for fact in [
            about(EventType::ANONYMOUS_CREATED, 1, "zoe"),
            alias(10, visitor, "anna"),
            unlink(20, visitor, "anna"),
            // Its row has the first one of the two.
            alias(0, visitor, "anna").at(ahead),
        ] {
            store.append(fact).unwrap();
        }
        let ack = act(&store, Command::SignUp { user: &zoe }, &|_| {}).unwrap();
        let event = store.project(PROJECT).get(ack.position).unwrap().unwrap();
        assert!(event.timestamp() > ahead);
        let view = store.project(PROJECT).view().unwrap();
        assert!(view.identity_conflicts().unwrap().is_empty(), "what was accepted before has its effect");
    }
}

#[test]
fn a_repeat_is_told_whatever_becomes_of_the_act() {
    let store = Store::in_memory().unwrap();
    let shop = store.scope(ORG, PROJECT, "shop");
    let first = shop.sign_up("anna").message_id("m").append().unwrap();
    let again = shop.sign_up("anna").message_id("m").append().unwrap();
    assert_eq!(first.position, again.position);
}

/// The keys and the body of an event as a store has them.
fn frame_of(envelope: &Envelope) -> (Vec<u8>, Vec<u8>) {
    let store = Store::in_memory().unwrap();
    let seq = store.append(envelope).unwrap().position.seq;
    let bytes = |frame: &crate::format::frame::FrameView<'_>| (frame.keys().to_vec(), frame.body().to_vec());
    store.writer().unwrap().state.with_frame(seq, bytes).unwrap().unwrap()
}

fn snapshot(store: &Store) -> Snapshot {
    store.writer().unwrap().state.snapshot().unwrap()
}

/// What a decision says of facts on their way, with all of them at hand.
#[test]
fn a_decision_holds_until_a_fact_is_staged_that_it_rests_on() {
    let store = Store::in_memory().unwrap();
    for fact in [link(10, "anna"), unlink(30, PHONE, "anna"), link(20, "ben")] {
        store.append(fact).unwrap();
    }
    let snapshot = || snapshot(&store);
    let visible = snapshot().visible;
    let mut staged = StagedFacts::default();
    let mut seq = visible;
    let mut stage = |staged: &mut StagedFacts, envelope: &Envelope| {
        seq = seq.next();
        let (keys, body) = frame_of(envelope);
        staged.push(seq, &keys, &body);
    };
    let (from, cleo) = (phone(), user("cleo"));
    let command = Command::Alias { from: &from, to: &cleo };
    let time = Nanos::new(i64::MAX / 2);
    let decide =
        |staged: &StagedFacts| Basis::new(snapshot(), staged, PROJECT.into_bytes()).decide(command, time);
    // Ben's link stands behind anna's and before the unlink: the phone is free.
    let decision = decide(&staged);
    assert!(matches!(decision.outcome, Ok(Decided::Taken)));
    assert!(decision.holds(&snapshot(), &staged));
    let elsewhere = Envelope::new(ORG, Uuid::from_u128(3), "shop", "identify").user("ben").anonymous("phone");
    stage(&mut staged, &elsewhere);
    assert!(decision.holds(&snapshot(), &staged), "it is of another project");
    stage(&mut staged, &link(50, "ben"));
    assert!(!decision.holds(&snapshot(), &staged), "the row knows of ben, and he counts now");
    let again = decide(&staged);
    assert!(matches!(again.outcome, Err(Error::Identity { rule: IdentityRule::BoundToAnother })));
    assert!(again.holds(&snapshot(), &staged), "it has looked at what is staged");
    stage(&mut staged, &unlink(60, PHONE, "ben"));
    assert!(!again.holds(&snapshot(), &staged));
    assert!(matches!(decide(&staged).outcome, Ok(Decided::Taken)));
    staged.shown(Seq::new(seq.get() - 1));
    assert!(!again.holds(&snapshot(), &staged), "the unlink is still on its way");
}

#[test]
fn a_view_has_no_fact_on_its_way_that_an_act_was_decided_on() {
    let store = Store::in_memory().unwrap();
    for fact in [link(10, "anna"), unlink(30, PHONE, "anna")] {
        store.append(fact).unwrap();
    }
    let (keys, body) = frame_of(&link(40, "ben"));
    let mut staged = StagedFacts::default();
    staged.push(snapshot(&store).visible.next(), &keys, &body);
    let (from, cleo) = (phone(), user("cleo"));
    let basis = Basis::new(snapshot(&store), &staged, PROJECT.into_bytes());
    let decision = basis.decide(Command::Alias { from: &from, to: &cleo }, Nanos::new(i64::MAX / 2));
    assert!(matches!(decision.outcome, Err(Error::Identity { rule: IdentityRule::BoundToAnother })));
    let phone = crate::PersonId::from(PHONE);
    assert_eq!(
        store.project(PROJECT).view().unwrap().person(PHONE).unwrap(),
        phone,
        "nobody sees ben's link"
    );
}

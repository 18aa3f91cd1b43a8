//! Facts that are on their way count as those that are visible do.

use super::*;
use crate::envelope::{Envelope, Object, Value};
use crate::error::IdentityRule;
use crate::store::Store;
use crate::store::handle::SnapshotSource;
use crate::{DateTime, Uuid};

const PROJECT: Uuid = Uuid::from_u128(2);
const OTHER_PROJECT: Uuid = Uuid::from_u128(3);

fn nanos(second: i64) -> Nanos {
    Nanos::new((1_700_000_000 + second) * 1_000_000_000)
}

fn fact(project: Uuid, event_type: &str, user: &str, second: i64) -> Envelope {
    let fact = Envelope::new(Uuid::from_u128(1), project, "profiles", event_type);
    fact.user(user).at(DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap())
}

fn identify(user: &str, second: i64) -> Envelope {
    fact(PROJECT, "identify", user, second)
}

fn link(device: &str, user: &str, second: i64) -> Envelope {
    identify(user, second).anonymous(device)
}

/// An alias or an unlink of a device.
fn act(event_type: &str, key: &str, device: &str, user: &str, second: i64) -> Envelope {
    let member = [("kind", "anonymous"), ("id", device)].map(|(key, value)| (key, Value::from(value)));
    let member: Object = member.into_iter().collect();
    fact(PROJECT, event_type, user, second).property(key, Value::Object(member))
}

fn unlink(device: &str, user: &str, second: i64) -> Envelope {
    act("identity.unlinked", "member", device, user, second)
}

fn alias(device: &str, user: &str, second: i64) -> Envelope {
    act("identity.aliased", "from", device, user, second)
}

/// What comes of a command that is stamped with a second, over these facts, the last ones of which no view shows yet.
fn decided(
    visible: &[Envelope],
    staged: &[Envelope],
    command: Command<'_>,
    second: i64,
) -> std::result::Result<Decided, IdentityRule> {
    let store = Store::in_memory().unwrap();
    for fact in visible {
        store.append(fact).unwrap();
    }
    let writer = store.writer().unwrap();
    let mut workspace = writer.workspace();
    workspace.drafts.clear();
    for fact in staged {
        workspace.drafts.push_event(&store.accept(fact).unwrap()).unwrap();
    }
    let mut facts = StagedFacts::default();
    for (seq, keys, body) in workspace.drafts.placed_facts(store.visible().next(), None) {
        facts.push(seq, keys, body);
    }
    assert_eq!(
        facts.last_seq().get(),
        if staged.is_empty() { 0 } else { (visible.len() + staged.len()) as u64 }
    );
    let snapshot = writer.state.snapshot().unwrap();
    let basis = Basis::new(snapshot, &facts, PROJECT.into_bytes());
    match basis.decide(command, nanos(second)).outcome {
        Err(Error::Identity { rule }) => Err(rule),
        decided => Ok(decided.unwrap()),
    }
}

#[test]
fn a_sign_up_rests_on_what_is_on_its_way_in_its_own_project() {
    let anna = MemberId::user("anna");
    let sign_up = Command::SignUp { user: &anna };
    assert_eq!(decided(&[], &[], sign_up, 10), Ok(Decided::Taken));
    assert_eq!(decided(&[], &[identify("ben", 1)], sign_up, 10), Ok(Decided::Taken));
    assert_eq!(decided(&[], &[identify("anna", 1)], sign_up, 10), Err(IdentityRule::AlreadyIdentified));
    let elsewhere = fact(OTHER_PROJECT, "identify", "anna", 1);
    assert_eq!(decided(&[], &[elsewhere], sign_up, 10), Ok(Decided::Taken));
}

#[test]
fn a_command_is_stamped_later_than_all_it_rests_on_and_a_tie_is_not_later() {
    let (tablet, ben) = (MemberId::device("tablet"), MemberId::user("ben"));
    let unlink = Command::Unlink { member: &tablet, user: &ben };
    let linked = [link("tablet", "ben", 20)];
    for (visible, staged) in [(&linked[..], &[][..]), (&[], &linked)] {
        for (second, expected) in
            [(19, Decided::Later(nanos(20))), (20, Decided::Later(nanos(20))), (21, Decided::Taken)]
        {
            assert_eq!(decided(visible, staged, unlink, second), Ok(expected), "stamped with {second}");
        }
    }
}

#[test]
fn a_link_on_its_way_that_no_row_keeps_binds() {
    let (tablet, ben, cleo) = (MemberId::device("tablet"), MemberId::user("ben"), MemberId::user("cleo"));
    // Rows keep the first link of a pair, which had no effect: the device was another user's then.
    let visible = [link("tablet", "cleo", 1), link("tablet", "ben", 2), unlink("tablet", "cleo", 3)];
    let of_ben = Command::Unlink { member: &tablet, user: &ben };
    let of_cleo = Command::Unlink { member: &tablet, user: &cleo };
    assert_eq!(decided(&visible, &[], of_ben, 10), Err(IdentityRule::NotBound));
    let staged = [link("tablet", "ben", 4)];
    assert_eq!(decided(&visible, &staged, of_ben, 10), Ok(Decided::Taken));
    assert_eq!(decided(&visible, &staged, of_cleo, 10), Err(IdentityRule::NotBound));
    let alias = Command::Alias { from: &tablet, to: &cleo };
    assert_eq!(decided(&visible, &[], alias, 10), Ok(Decided::Taken));
    assert_eq!(decided(&visible, &staged, alias, 10), Err(IdentityRule::BoundToAnother));
}

#[test]
fn links_on_their_way_of_other_devices_and_projects_say_nothing_of_a_device() {
    let (tablet, ben) = (MemberId::device("tablet"), MemberId::user("ben"));
    let unlink_tablet = Command::Unlink { member: &tablet, user: &ben };
    // The tablet was unlinked once, so that all its facts count.
    let visible = [alias("tablet", "dora", 10), unlink("tablet", "dora", 11), link("tablet", "ben", 20)];
    let mut elsewhere = link("tablet", "cleo", 12);
    elsewhere.project_id = OTHER_PROJECT;
    let mut later = link("tablet", "ben", 40);
    later.project_id = OTHER_PROJECT;
    for staged in [
        // Each would bind it before ben does, or be a fact that the command rests on.
        &[link("phone", "cleo", 12)][..],
        &[alias("phone", "cleo", 12)],
        &[link("phone", "cleo", 40)],
        &[unlink("phone", "cleo", 40)],
        &[elsewhere],
        &[later],
    ] {
        assert_eq!(decided(&visible, staged, unlink_tablet, 30), Ok(Decided::Taken), "{staged:?}");
    }
    let staged = [link("tablet", "cleo", 12)];
    assert_eq!(decided(&visible, &staged, unlink_tablet, 30), Err(IdentityRule::NotBound));
}

//! A batch that no segment holds is stored line by line, and what is refused of it is told once.

use std::fs;

use envelog::interop::segment::Segment;
use envelog::{Options, Uuid};

use super::super::cursor::Done;
use super::super::form::Form;
use super::super::opened::Opened;
use super::super::prepare::prepare;
use super::super::stop::Stop;
use super::*;
use crate::input::{Blocks, Next, Place};
use crate::rejects::Rejects;
use crate::summary::Summary;

const PROJECT: Uuid = Uuid::from_u128(2);

fn call(id: &str) -> String {
    format!(r#"{{"type":"page","timestamp":"2024-03-01T00:00:00Z","messageId":"{id}"}}"#)
}

#[test]
fn of_a_part_that_is_stored_in_pieces_each_refused_call_is_told_once_and_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let (file, store_path) = (directory.path().join("in"), directory.path().join("store"));
    // The last line has more than the smallest segment holds; the part ends with it, as it is more than a batch has.
    let large: Vec<String> = (0..8).map(|number| call(&format!("large {number}"))).collect();
    let text = "x".repeat(60_000);
    let context = format!(r#"{{"a":"{text}","b":"{text}","c":"{text}"}}"#);
    let lines = [
        call("a"),
        format!(r#"{{"batch":[{},7,{}]}}"#, call("b"), call("c")),
        "oops".to_owned(),
        call("d"),
        // The second one has the id of another one.
        format!(r#"{{"batch":[{},{}]}}"#, call("e"), call("a").replace("page", "screen")),
        format!(r#"{{"context":{context},"batch":[{}]}}"#, large.join(",")),
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let store = Options::new().segment_bytes_max(1 << 20).open(&store_path).unwrap();
    let form = Form::Segment(Segment::new(Uuid::from_u128(1), PROJECT), None);
    let blocks = Blocks::of(Opened::of(&file).unwrap().input().unwrap(), 64);
    let Next::Block(block) = blocks.next(true) else { panic!("the file has lines") };
    let prepared = prepare(&store, &form, block, 1_000);
    assert_eq!((prepared.parts.len(), prepared.failure.is_none()), (1, true));

    let rejects_path = directory.path().join("rejects");
    let rejects = Rejects::new(rejects_path.clone(), &fs::metadata(&file).unwrap(), &store_path).unwrap();
    let mut import = Import {
        store: &store,
        form,
        rejects,
        cursor: None,
        stop: Stop::listen().unwrap(),
        is_synced: false,
        is_restarted: false,
        is_broken_off: false,
        hint: "",
        before: Done::default(),
        summary: Summary::default(),
        place: Place::default(),
    };
    import.take(prepared).map(drop).unwrap();
    import.rejects.end();
    assert_eq!((import.place.lines, import.summary.conflicts), (6, 1));

    let view = store.project(PROJECT).view().unwrap();
    let stored: Vec<String> =
        view.events().iter().map(|event| event.unwrap().message_id().unwrap().to_owned()).collect();
    assert_eq!(stored, ["a", "b", "c", "d", "e"]);
    let rejects = fs::read_to_string(rejects_path).unwrap();
    let places = rejects.lines().map(|line| {
        let (line, rest) = line.strip_prefix("{\"line\":").unwrap().split_once(',').unwrap();
        let call = rest.split_once("\"call\":").map(|(_, rest)| rest.split(',').next().unwrap().to_owned());
        (line.to_owned(), call)
    });
    let mut expected = vec![("2".to_owned(), Some("1".to_owned())), ("3".to_owned(), None)];
    expected.push(("5".to_owned(), Some("1".to_owned())));
    expected.extend((0..8).map(|call| ("6".to_owned(), Some(call.to_string()))));
    assert_eq!(places.collect::<Vec<_>>(), expected, "{rejects}");
}

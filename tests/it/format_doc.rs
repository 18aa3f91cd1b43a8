//! The hex dump in FORMAT.md is what the code writes.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use envelog::testing::{ManualClock, SeededEntropy, SimDisk};
use envelog::{CursorKey, DateTime, Envelope, Options, Uuid};

const START: &str = "## A small store";

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/format/FORMAT.md")
}

fn dump(name: &str, bytes: &[u8], out: &mut String) {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    writeln!(out, "{name}, {} bytes", bytes.len()).unwrap();
    let mut previous_zero = false;
    for (row, line) in bytes[..end].chunks(16).enumerate() {
        let is_zero = line.iter().all(|byte| *byte == 0);
        if is_zero && previous_zero {
            continue;
        }
        if is_zero {
            out.push_str("*\n");
        } else {
            write!(out, "{:08x}", row * 16).unwrap();
            for byte in line {
                write!(out, " {byte:02x}").unwrap();
            }
            let text: String = line
                .iter()
                .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
                .collect();
            writeln!(out, "{:width$} {text}", "", width = (16 - line.len()) * 3).unwrap();
        }
        previous_zero = is_zero;
    }
}

fn small_store() -> String {
    let disk = SimDisk::default();
    let store = Options::new()
        .tiny_segments(8192)
        .secret([7; 32])
        .clock(Arc::new(ManualClock::new(DateTime::from_timestamp_nanos(1_704_368_738_000_000_000))))
        .entropy(Arc::new(SeededEntropy::new(1)))
        .open_on(&disk)
        .unwrap();
    let (org, project) = (Uuid::from_u128(0x0a), Uuid::from_u128(0x0b));
    let at = DateTime::from_timestamp_nanos(1_704_368_737_000_000_000);
    let event = |event_type: &str| Envelope::new(org, project, "shop", event_type).user("u_1").at(at);
    let mut batch = store.batch();
    batch.push(&event("product.viewed").anonymous("d_1")).unwrap();
    batch.push(&event("cart.item_added").property("sku", "a-1").property("quantity", 2)).unwrap();
    batch.push(&event("order.placed").property("amount", 41.5).context("ip", "203.0.113.140")).unwrap();
    batch.commit().unwrap();
    store.append(event("identify").with_trait("plan", "pro").message_id("m-1")).unwrap();
    let mut batch = store.batch();
    batch.set_cursor(CursorKey::Project(project, "crm"), b"3").unwrap();
    batch.commit().unwrap();
    store.close().unwrap();
    let mut out = String::new();
    for name in ["MANIFEST", "seg-1.log"] {
        dump(name, &disk.file_bytes(name).unwrap(), &mut out);
    }
    out
}

/// To write the document anew after a change of the format, run with `ENVELOG_BLESS=1`.
#[test]
fn the_dump_in_the_format_document_is_what_the_code_writes() {
    let text = fs::read_to_string(document()).unwrap();
    let section = text.find(START).unwrap();
    let open = section + text[section..].find("```text\n").unwrap() + "```text\n".len();
    let close = open + text[open..].find("```").unwrap();
    let written = small_store();
    if std::env::var_os("ENVELOG_BLESS").is_some() {
        fs::write(document(), format!("{}{written}{}", &text[..open], &text[close..])).unwrap();
        return;
    }
    assert_eq!(&text[open..close], written, "FORMAT.md shows another store than the code writes");
}

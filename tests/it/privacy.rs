//! No address that goes in is in any byte of any file, error, reject or `Debug`, whatever happens to the store.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use envelog::testing::SimRng;
use envelog::{Durability, Envelope, Error, Object, OnCorruption, Options, Store, Uuid, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

use crate::real_input::{MIB, import, project, shop_lines, small_segments};

/// Where a child process of these tests is to work.
const CHILD: &str = "ENVELOG_PRIVACY_CHILD";

/// The keys that are known to hold an address, as producers write them.
const KEYS: [&str; 26] = [
    "ip",
    "$ip",
    "IP",
    "ipAddress",
    "ip_address",
    "ipv4",
    "ipv6",
    "clientIp",
    "client-ip",
    "userIp",
    "sourceIp",
    "requestIp",
    "remoteAddr",
    "REMOTE_ADDR",
    "remoteAddress",
    "remoteIp",
    "hostIp",
    "host_ip",
    "x-forwarded-for",
    "X-Forwarded-For",
    "x-real-ip",
    "X_Real_IP",
    "forwarded",
    "cf-connecting-ip",
    "CF-Connecting-IP",
    "true-client-ip",
];

/// Texts to look for, found by their first four bytes.
struct Needles {
    firsts: HashMap<[u8; 4], Vec<Vec<u8>>>,
    is_first: Vec<bool>,
    count: usize,
}

impl Needles {
    /// The text forms of addresses, and other texts as they are.
    fn new<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        let mut forms = BTreeSet::new();
        for text in texts {
            let text = text.as_ref();
            forms.insert(text.to_owned());
            if let Ok(IpAddr::V6(v6)) = text.parse() {
                let full: Vec<String> = v6.segments().iter().map(|part| format!("{part:04x}")).collect();
                let short: Vec<String> = v6.segments().iter().map(|part| format!("{part:x}")).collect();
                forms.extend([v6.to_string(), full.join(":"), short.join(":")]);
            }
        }
        let upper: Vec<String> = forms.iter().map(|form| form.to_uppercase()).collect();
        forms.extend(upper);
        let mut firsts = HashMap::<_, Vec<_>>::new();
        let mut is_first = vec![false; 1 << 16];
        for form in &forms {
            let first: [u8; 4] = *form.as_bytes().first_chunk().unwrap();
            firsts.entry(first).or_default().push(form.as_bytes().to_vec());
            is_first[usize::from(u16::from_le_bytes([first[0], first[1]]))] = true;
        }
        Self { firsts, is_first, count: forms.len() }
    }

    fn find(&self, bytes: &[u8]) -> Option<String> {
        for (at, window) in bytes.windows(4).enumerate() {
            if !self.is_first[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                continue;
            }
            let Some(needles) = self.firsts.get(window) else { continue };
            if let Some(found) = needles.iter().find(|needle| bytes[at..].starts_with(needle)) {
                return Some(String::from_utf8_lossy(found).into_owned());
            }
        }
        None
    }

    fn assert_not_in(&self, text: &str) {
        assert_eq!(self.find(text.as_bytes()), None, "{text}");
    }

    /// Searches every file of a directory and below, and their names; gives the number of files.
    fn assert_not_below(&self, directory: &Path) -> usize {
        let mut files = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            self.assert_not_in(&entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                files += self.assert_not_below(&path);
            } else {
                // A file that is being made gets another name, under which it is found later.
                let Ok(bytes) = fs::read(&path) else { continue };
                assert_eq!(self.find(&bytes), None, "{}", path.display());
                files += 1;
            }
        }
        files
    }
}

#[test]
fn the_search_finds_what_is_there() {
    let needles = Needles::new(["203.0.113.140", "2001:db8::7"]);
    assert!(needles.count >= 5);
    for text in
        ["x203.0.113.140", "203.0.113.1401", "[2001:db8::7]:1", "2001:0DB8:0000:0000:0000:0000:0000:0007"]
    {
        assert!(needles.find(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(needles.find(b"203.0.113.14 2001:db8::8"), None);
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("quarantine")).unwrap();
    fs::write(directory.path().join("quarantine/a"), b"\0\x01203.0.113.140").unwrap();
    assert!(std::panic::catch_unwind(|| needles.assert_not_below(directory.path())).is_err());
}

/// The addresses of the shop, all of which stand in `context.ip`.
fn shop_needles(lines: &[String]) -> Needles {
    let addresses: BTreeSet<String> = lines
        .iter()
        .filter_map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            Some(event["context"]["ip"].as_str()?.to_owned())
        })
        .collect();
    assert!(addresses.len() > 100, "{} addresses", addresses.len());
    Needles::new(addresses)
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn no_address_of_the_shop_is_on_disk_after_import_roll_seal_crash_recovery_and_quarantine() {
    let Some(lines) = shop_lines() else { return };
    let needles = shop_needles(&lines);
    let directory = TempDir::new().unwrap();
    let (path, crashed) = (directory.path().join("store"), directory.path().join("crashed"));

    let store = small_segments().open(&path).unwrap();
    for part in lines.chunks(8_000) {
        import(&store, part);
        needles.assert_not_below(&path);
    }
    // What is copied stands still: all but the tail is sealed.
    store.wait_sealed().unwrap();
    store.sync().unwrap();
    let sealed = store.stats().unwrap().sealed_segments;
    assert!(sealed >= 1 && path.join("seg-1.idx").exists(), "the import rolls and seals");
    copy_directory(&path, &crashed);
    needles.assert_not_below(&path);
    store.close().unwrap();
    drop(store);
    assert!(needles.assert_not_below(&path) > 6);

    // What a kill leaves, opened by a reader, damaged, refused, set aside, and opened again.
    needles.assert_not_below(&crashed);
    let reader = Options::new().open_read_only(&crashed).unwrap();
    assert_eq!(reader.project(project()).view().unwrap().events().count().unwrap(), lines.len() as u64);
    drop(reader);
    damage(&crashed);
    let error = small_segments().open(&crashed).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    needles.assert_not_in(&format!("{error} {error:?}"));
    let store = small_segments().on_corruption(OnCorruption::Quarantine).open(&crashed).unwrap();
    let report = store.recovery().clone();
    assert!(!report.gaps.is_empty() && !report.quarantined.is_empty(), "{report:?}");
    needles.assert_not_in(&format!("{report:?}"));
    assert!(crashed.join("quarantine").is_dir());
    needles.assert_not_below(&crashed);
    import(&store, &lines[..2_000]);
    store.close().unwrap();
    drop(store);
    needles.assert_not_below(&crashed);
}

/// The last segment that has frames; one that was made ready ahead has none.
fn newest_segment(path: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let number = |name: &str| name.strip_prefix("seg-")?.strip_suffix(".log")?.parse::<u32>().ok();
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut numbers: Vec<u32> = names.filter_map(|name| number(&name)).collect();
    numbers.sort_unstable();
    let mut files = numbers.iter().rev().map(|number| path.join(format!("seg-{number}.log")));
    let has_frames = |bytes: &[u8]| bytes.iter().skip(4096).any(|byte| *byte != 0);
    files
        .find_map(|path| fs::read(&path).ok().filter(|bytes| has_frames(bytes)).map(|bytes| (path, bytes)))
        .unwrap()
}

/// Changes a byte amid the frames of the last segment.
fn damage(directory: &Path) {
    let (segment, mut bytes) = newest_segment(directory);
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let at = 4096 + (end - 4096) / 2;
    bytes[at] ^= 0xff;
    fs::write(segment, bytes).unwrap();
}

/// Runs one of the tests below in a process of its own, after a command of the shell.
fn child(test: &str, directory: &Path, before: &str) -> std::process::ExitStatus {
    let binary = std::env::current_exe().unwrap();
    Command::new("sh")
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(binary)
        .args(["--exact", test, "--test-threads=1"])
        .env(CHILD, directory)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
}

fn child_directory() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// Does nothing but in a child process.
#[test]
fn child_that_imports_and_aborts() {
    let (Some(path), Some(lines)) = (child_directory(), shop_lines()) else { return };
    let store = small_segments().open(path).unwrap();
    import(&store, &lines[..12_345]);
    std::process::abort();
}

#[test]
fn no_address_of_the_shop_is_on_disk_after_an_abort_and_its_recovery() {
    let Some(lines) = shop_lines() else { return };
    let needles = shop_needles(&lines);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let status = child("privacy::child_that_imports_and_aborts", &path, "ulimit -c 0;");
    assert!(!status.success());
    needles.assert_not_below(&path);
    let store = small_segments().open(&path).unwrap();
    assert!(!store.recovery().clean);
    let events = store.project(project()).view().unwrap().events().count().unwrap();
    assert_eq!(events, 12_345, "a process that dies loses nothing it was told is stored");
    needles.assert_not_below(&path);
    import(&store, &lines[12_345..]);
    store.close().unwrap();
    needles.assert_not_below(&path);
}

/// Does nothing but in a child process.
#[test]
fn child_that_fills_and_recovers_a_store() {
    let Some(path) = child_directory() else { return };
    let open = || Options::new().tiny_segments(8 * 1024).open(&path).unwrap();
    let store = open();
    for number in 0..400 {
        store.append(plain("canary.planted").user(format!("u{number}")).property("n", number)).unwrap();
        let traits: Object = [("n", Value::from(number))].into_iter().collect();
        store.append(plain("identify").user(format!("u{number}")).context("traits", traits)).unwrap();
    }
    store.wait_sealed().unwrap();
    std::mem::forget(store);
    std::process::exit(0);
}

#[test]
fn files_are_for_their_owner_alone_whatever_the_umask() {
    for umask in ["000", "022", "0777"] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store");
        let run =
            || child("privacy::child_that_fills_and_recovers_a_store", &path, &format!("umask {umask};"));
        assert!(run().success());
        damage(&path);
        let store = Options::new()
            .tiny_segments(8 * 1024)
            .on_corruption(OnCorruption::Quarantine)
            .open(&path)
            .unwrap();
        drop(store);
        assert!(run().success());
        let mut names = BTreeSet::new();
        check_modes(&path, &mut names);
        for name in ["MANIFEST", "SECRET", "LOCK"] {
            assert!(names.contains(name), "{name} of {names:?}");
        }
        for ending in [".log", ".idx", ".run"] {
            assert!(names.iter().any(|name| name.ends_with(ending)), "{ending} of {names:?}");
        }
    }
}

fn check_modes(directory: &Path, names: &mut BTreeSet<String>) {
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(directory), 0o700, "{}", directory.display());
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            check_modes(&entry.path(), names);
        } else {
            assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
            names.insert(entry.file_name().into_string().unwrap());
        }
    }
}

const ORG: Uuid = Uuid::from_u128(1);
const PROJECT: Uuid = Uuid::from_u128(2);

fn plain(event_type: &str) -> Envelope {
    Envelope::new(ORG, PROJECT, "privacy", event_type)
}

/// Makes addresses that occur nowhere else, in all the ways that producers write them, and remembers their texts.
struct Canaries {
    next: u32,
    texts: Vec<String>,
}

impl Canaries {
    const FORMS: u32 = 14;

    fn next(&mut self) -> String {
        self.next += 1;
        let [_, _, high, low] = self.next.to_be_bytes();
        let v4 = Ipv4Addr::new(198, 18, high, low);
        let v6 =
            Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0x1000, 0x1000 + u16::from_be_bytes([high, low]));
        let full: Vec<String> = v6.segments().iter().map(|part| format!("{part:04X}")).collect();
        self.texts.push(if self.next % Self::FORMS < 7 { v4.to_string() } else { v6.to_string() });
        match self.next % Self::FORMS {
            0 => v4.to_string(),
            1 => format!("{v4}:4711"),
            2 => format!("::ffff:{v4}"),
            3 => format!(" {v4} "),
            4 => format!("{v4}, {v4}:80,{v4}"),
            5 => format!("for={v4};proto=https"),
            6 => format!("http://{v4}/path?x=1"),
            7 => v6.to_string(),
            8 => format!("[{v6}]"),
            9 => format!("[{v6}]:443"),
            10 => format!("{v6}%eth0"),
            11 => full.join(":"),
            12 => format!("unknown, {v6} , [{v6}]:1"),
            _ => format!("for=\"[{v6}]:4711\""),
        }
    }
}

/// One object with a canary under every key, in every place.
fn planted(canaries: &mut Canaries) -> Object {
    let mut object = Object::new();
    for key in KEYS {
        object.insert(key, canaries.next());
    }
    object
}

fn every_place(canaries: &mut Canaries) -> Vec<Envelope> {
    let mut all = Vec::new();
    // Two spellings of one key in one object are two keys; each has its own place here.
    for key in KEYS {
        for form in 0..Canaries::FORMS {
            canaries.next = canaries.next / Canaries::FORMS * Canaries::FORMS + Canaries::FORMS + form;
            let mut one = || canaries.next();
            let under = |value: Value| [(key, value)].into_iter().collect::<Object>();
            let list = Value::List(vec![one().into(), Value::Null, one().into(), under(one().into()).into()]);
            let inner: Object = [("a", Value::from(one())), ("b", list.clone())].into_iter().collect();
            all.push(
                plain("canary.planted")
                    .property(key, one())
                    .property("list", Value::List(vec![under(list.clone()).into()]))
                    .property("below", under(list))
                    .property("deep", under(inner.into()))
                    .context(key, one())
                    .context("headers", under(one().into()))
                    .context("page", under(one().into())),
            );
            all.push(
                plain("identify")
                    .user(format!("u{form}"))
                    .context("traits", under(one().into()))
                    .context("traitsOnce", under(one().into())),
            );
            let nested: Object = [("nested", Value::from(under(one().into())))].into_iter().collect();
            all.push(plain("identify").anonymous(format!("d{form}")).context("traits", nested));
        }
    }
    all.push(plain("canary.planted").properties_from(&Value::from(planted(canaries))).unwrap());
    all
}

fn json_of(envelope: &Envelope) -> Vec<u8> {
    let ids = [("userId", &envelope.user_id), ("anonymousId", &envelope.anonymous_id)];
    let mut json = serde_json::Map::new();
    for (name, object) in [("properties", &envelope.properties), ("context", &envelope.context)] {
        if let Some(object) = object {
            json.insert(name.to_owned(), serde_json::to_value(object).unwrap());
        }
    }
    json.insert("orgId".to_owned(), envelope.org_id.to_string().into());
    json.insert("projectId".to_owned(), envelope.project_id.to_string().into());
    json.insert("module".to_owned(), envelope.module.clone().into());
    json.insert("eventType".to_owned(), envelope.event_type.clone().into());
    json.insert("timestamp".to_owned(), "2024-05-31T10:00:00Z".into());
    for (name, id) in ids {
        if let Some(id) = id {
            json.insert(name.to_owned(), id.clone().into());
        }
    }
    // The keys are in order: the context comes before the id of the project, the properties behind it.
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn canaries_in_every_place_and_form_leave_no_byte_on_any_path() {
    let mut canaries = Canaries { next: 0, texts: Vec::new() };
    let envelopes = every_place(&mut canaries);
    let needles = Needles::new(&canaries.texts);
    assert!(needles.count > 1_000, "{}", needles.count);
    let planted: Vec<Vec<u8>> = envelopes.iter().map(json_of).collect();
    assert!(planted.iter().all(|json| needles.find(json).is_some()), "every input has a canary");

    let directory = TempDir::new().unwrap();
    let (path, crashed) = (directory.path().join("store"), directory.path().join("crashed"));
    let store = Options::new().segment_bytes_max(MIB).durability(Durability::Buffered).open(&path).unwrap();
    for (envelope, json) in envelopes.iter().zip(&planted) {
        store.append(envelope).unwrap();
        store.append_json(json).unwrap();
        let ticket = store.submit(envelope).unwrap();
        needles.assert_not_in(&format!("{ticket:?}"));
        needles.assert_not_in(&format!("{:?}", ticket.wait().unwrap()));
        let accepted = store.accept(envelope).unwrap();
        needles.assert_not_in(&format!("{envelope:?} {accepted:?} {:?}", accepted.to_envelope()));
        store.append_accepted(&accepted).unwrap();
    }
    for envelopes in envelopes.chunks(100) {
        store.append_batch(envelopes).unwrap();
    }
    let scope = store.scope(ORG, PROJECT, "privacy");
    scope.track("canary.planted").property("ip", canaries.texts[3].as_str()).append().unwrap();
    scope.identify("u").set("ip", canaries.texts[9].as_str()).append().unwrap();

    let view = store.project(PROJECT).view().unwrap();
    let mut out = Vec::new();
    for event in &view.events() {
        let event = event.unwrap();
        out.clear();
        event.to_json_with_meta(&mut out);
        needles.assert_not_in(std::str::from_utf8(&out).unwrap());
        needles.assert_not_in(&format!("{event:?} {:?}", event.to_event()));
    }
    for profile in view.profiles().unwrap() {
        let profile = profile.unwrap();
        needles.assert_not_in(&format!("{profile:?} {:?}", profile.traits()));
        needles.assert_not_in(&profile.traits_json());
    }
    needles.assert_not_in(&view.profiles_canonical_json().unwrap());
    needles.assert_not_in(&format!(
        "{store:?} {view:?} {:?} {:?}",
        store.stats().unwrap(),
        view.traits().unwrap()
    ));
    store.wait_sealed().unwrap();
    store.sync().unwrap();
    copy_directory(&path, &crashed);
    store.close().unwrap();
    needles.assert_not_below(&path);
    needles.assert_not_below(&crashed);
    let store = Options::new().open(&crashed).unwrap();
    needles.assert_not_below(&crashed);
    assert!(store.stats().unwrap().sealed_segments > 0);
}

#[test]
fn a_refused_envelope_shows_no_address_in_its_error() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let store = Options::new().durability(Durability::Buffered).open(&path).unwrap();
    let (v4, v6) = ("198.18.77.41", "2001:db8:cafe::7741");
    let needles = Needles::new([v4, v6]);
    let ids = r#""orgId":"00000000000000000000000000000001","projectId":"00000000000000000000000000000002","module":"m","timestamp":"2024-05-31T10:00:00Z""#;
    let mut lines = Vec::new();
    for address in [v4, v6] {
        for bad in [
            format!(r#"{{{ids},"eventType":"a.b","context":{{"ip":"{address}","ip":"{address}"}}}}"#),
            format!(r#"{{{ids},"eventType":"a.b","context":{{"ip":"{address}"}},"userId":" "}}"#),
            format!(r#"{{{ids},"eventType":"a.b","context":{{"ip":"{address}","a":1e999}}}}"#),
            format!(r#"{{{ids},"eventType":"a.b","context":{{"ip":"{address}\ud800"}}}}"#),
            format!(r#"{{{ids},"eventType":"a.b","context":{{"ip":"{address}"}}"#),
            format!(r#"{{{ids},"eventType":"a.b","context":{{"ip":{address}}}}}"#),
            format!(r#"{{{ids},"eventType":"a.b","context":"{address}"}}"#),
            format!(r#"{{{ids},"eventType":"a.b","userId":"{address}\u0000"}}"#),
            format!(r#"{{{ids},"eventType":"a.b","userId":["{address}"]}}"#),
            format!(r#"{{{ids},"eventType":"a.b","seq":{address}}}"#),
            format!(r#"{{{ids},"eventType":"identify","userId":"u","context":{{"traits":"{address}"}}}}"#),
            format!(r#"{{{ids},"eventType":"a.b","context":{{"ip":"{}"}}}}"#, vec![address; 2_000].join(",")),
            format!(r#"{{{ids},"eventType":"a.b","properties":{{"a":"{}"}}}}"#, address.repeat(9_000)),
            format!(r#"{{"orgId":"{address}"}}"#),
            format!(r#"{{"projectId":"{address}"}}"#),
            format!(r#"{{"timestamp":"{address}"}}"#),
            format!(r#"{{"module":"{address}\n"}}"#),
            address.to_owned(),
            format!("\"{address}\""),
        ] {
            lines.push(bad);
        }
    }
    for line in &lines {
        let error = store.append_json(line.as_bytes()).unwrap_err();
        needles.assert_not_in(&format!("{error} {error:?}"));
        let mut batch = store.batch();
        let error = batch.push_json(line.as_bytes()).unwrap_err();
        needles.assert_not_in(&format!("{error} {error:?} {batch:?}"));
        if let Ok(envelope) = Envelope::from_json(line.as_bytes()) {
            needles.assert_not_in(&format!("{envelope:?}"));
        }
    }
    store.close().unwrap();
    needles.assert_not_below(&path);
}

#[test]
fn an_exported_line_imports_again_to_the_same_envelope() {
    let mut canaries = Canaries { next: 0, texts: Vec::new() };
    let envelopes = every_place(&mut canaries);
    let directory = TempDir::new().unwrap();
    let open = |name: &str| {
        Options::new()
            .durability(Durability::Buffered)
            .secret("a secret that two stores share")
            .open(directory.path().join(name))
            .unwrap()
    };
    let (first, second) = (open("first"), open("second"));
    first.append_batch(&envelopes).unwrap();
    let view = first.project(PROJECT).view().unwrap();
    let (mut line, mut with_meta) = (Vec::new(), Vec::new());
    for event in &view.events() {
        let event = event.unwrap();
        line.clear();
        with_meta.clear();
        event.to_json(&mut line);
        event.to_json_with_meta(&mut with_meta);
        second.append_json(&line).unwrap();
        second.append_json(&with_meta).unwrap();
        let owned = serde_json::to_vec(&event.to_event()).unwrap();
        second.append_json(&owned).unwrap();
    }
    let again = second.project(PROJECT).view().unwrap();
    let (once, thrice) = (view.events(), again.events());
    let mut thrice = thrice.iter();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for event in &once {
        one.clear();
        event.unwrap().to_json(&mut one);
        for _ in 0..3 {
            other.clear();
            thrice.next().unwrap().unwrap().to_json(&mut other);
            assert!(
                one == other,
                "{} became {}",
                String::from_utf8_lossy(&one),
                String::from_utf8_lossy(&other)
            );
        }
    }
    assert_eq!(
        view.profiles_canonical_json().unwrap(),
        again.profiles_canonical_json().unwrap(),
        "the profiles are the same"
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Ipv4Addr::from(octets).to_string()),
        any::<[u8; 16]>().prop_map(|octets| format!("[{}]:80", Ipv6Addr::from(octets))),
        any::<[u8; 4]>().prop_map(|octets| format!("{0}, ,{0}", Ipv4Addr::from(octets))),
        "iph1:[0-9a-f]{8}:[0-9a-f]{32}",
        Just("iph1:unsalted:00000000000000000000000000000000".to_owned()),
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        "[a-z ,.:\\[\\]%0-9]{0,12}".prop_map(Value::from),
        address.prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            any_object(inner).prop_map(Value::from),
        ]
    })
}

fn any_object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Object> {
    let key = prop_oneof![
        prop::sample::select(&KEYS[..]).prop_map(str::to_owned),
        prop::sample::select(&KEYS[..]).prop_map(|key| format!("{key}Hash")),
        "[a-z]{0,3}",
    ];
    prop::collection::btree_map(key, value, 0..6).prop_map(|entries| entries.into_iter().collect())
}

#[test]
fn accepting_what_was_accepted_changes_nothing() {
    let seed = SimRng::seed_of_run();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
    let directory = TempDir::new().unwrap();
    let stores: Vec<Store> = [false, true]
        .map(|scrub| {
            let options = Options::new().durability(Durability::Buffered).scrub_text(scrub);
            options.open(directory.path().join(scrub.to_string())).unwrap()
        })
        .into();
    let objects = (any_object(any_value()), any_object(any_value()), any::<bool>());
    let outcome = TestRunner::new_with_rng(config, random).run(&objects, |(properties, context, scrub)| {
        let mut envelope = plain("canary.planted").user("u");
        envelope.properties = Some(properties);
        envelope.context = Some(context);
        let store = &stores[usize::from(scrub)];
        // Two spellings of a key may become one name, which is refused.
        let Ok(once) = store.accept(&envelope) else { return Ok(()) };
        let twice =
            store.accept(&once.to_envelope()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(once.to_envelope() == twice.to_envelope());
        prop_assert_eq!(once.timestamp(), twice.timestamp());
        let thrice =
            store.accept(&twice.to_envelope()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(twice == thrice, "with its notes and its bytes");
        Ok(())
    });
    assert!(outcome.is_ok(), "ENVELOG_SEED={seed}: {outcome:?}");
}

#[test]
fn with_another_secret_old_tokens_stay_and_new_ones_differ() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let open =
        |secret: &str| Options::new().durability(Durability::Buffered).secret(secret).open(&path).unwrap();
    let token = |store: &Store, value: &str| {
        let ack = store.append(plain("canary.planted").context("ip", value)).unwrap();
        let view = store.project(PROJECT).view().unwrap();
        let event = view.get(ack.position).unwrap().unwrap();
        event.context().unwrap().get("ipHash").unwrap().as_str().unwrap().to_owned()
    };
    let store = open("the first of the secrets");
    let old = token(&store, "198.18.1.1");
    assert_eq!(token(&store, "[::ffff:198.18.1.1]:80"), old, "one address, one token");
    store.close().unwrap();
    drop(store);

    let store = open("the second of the secrets");
    let new = token(&store, "198.18.1.1");
    assert_ne!(new, old);
    assert_ne!(new[..13], old[..13], "the token names its key");
    assert_eq!(token(&store, &old), old, "a token of the retired key is kept");
    let stored: Vec<String> = store
        .project(PROJECT)
        .view()
        .unwrap()
        .events()
        .iter()
        .map(|event| event.unwrap().context().unwrap().get("ipHash").unwrap().as_str().unwrap().to_owned())
        .collect();
    assert_eq!(stored, [&old, &old, &new, &old].map(Clone::clone));
    let stranger = format!("iph1:{}:{}", "0123abcd", &old[14..]);
    assert_ne!(token(&store, &stranger), stranger, "a token of an unknown key is text like any other");
    store.close().unwrap();
    drop(store);

    let store = open("the first of the secrets");
    assert_eq!(token(&store, "198.18.1.1"), old);
    assert_eq!(token(&store, &new), new);
}

//! What stands in the crate's root is documented: every type has an example, every call that can fail says when and
//! has one, and every example asserts what it shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::layering::rust_files;

/// Items without an example of their own, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("Options::open_on", "behind the feature `testing`"),
    ("Options::open_read_only_on", "behind the feature `testing`"),
    ("Store::verify_on", "behind the feature `testing`"),
];

/// A public type, or a public function that returns a `Result`.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    /// `Type` or `Type::function`; a function of a module has its name alone.
    name: String,
    is_type: bool,
    docs: String,
}

impl Item {
    /// What the documentation lacks.
    fn lacks(&self) -> Vec<&'static str> {
        let example = self.docs.split_once("# Examples\n").map(|(_, example)| example);
        let mut lacks = Vec::new();
        if !self.is_type && !self.docs.contains("# Errors\n") {
            lacks.push("`# Errors`");
        }
        match example {
            None => lacks.push("`# Examples`"),
            Some(example) if !example.contains("assert") => lacks.push("an example that asserts something"),
            Some(_) => {}
        }
        lacks
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn ident(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The names that the crate's root exports from its own modules.
fn exported(lib: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for statement in lib.split("\npub use ").skip(1) {
        let statement = &statement[..statement.find(';').unwrap()];
        let is_foreign = ["chrono::", "uuid::"].iter().any(|module| statement.starts_with(module));
        if !is_foreign {
            let list = statement.split_once("::").unwrap().1.trim_matches(['{', '}']);
            names.extend(list.split(',').map(|name| ident(name.trim()).to_owned()));
        }
    }
    names.remove("");
    names
}

/// The type that the methods of a block are of; `None` where they are of a trait.
fn impl_of(header: &str) -> Option<String> {
    if header.contains(" for ") {
        return None;
    }
    let header = header.replace("->", "");
    let mut rest = header.strip_prefix("impl")?;
    if rest.starts_with('<') {
        let mut depth = 0;
        let end = rest.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        })?;
        rest = &rest[end + 1..];
    }
    Some(ident(rest.trim_start()).to_owned()).filter(|name| !name.is_empty())
}

fn type_name(code: &str) -> Option<&str> {
    let kinds = ["pub struct ", "pub enum ", "pub type ", "pub trait "];
    kinds.iter().find_map(|kind| code.strip_prefix(kind)).map(ident)
}

fn function_name(code: &str) -> Option<&str> {
    let kinds = ["pub fn ", "pub const fn "];
    kinds.iter().find_map(|kind| code.strip_prefix(kind)).map(ident)
}

/// Public types and functions that return a `Result`, of one file.
fn items(text: &str) -> Vec<Item> {
    let (mut found, mut docs, mut block) = (Vec::new(), String::new(), None::<String>);
    let (mut is_attribute, mut lines) = (false, text.lines());
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if let Some(doc) = code.strip_prefix("///") {
            docs.push_str(doc.strip_prefix(' ').unwrap_or(doc));
            docs.push('\n');
            continue;
        }
        is_attribute |= code.starts_with("#[");
        if is_attribute {
            is_attribute = !code.ends_with(']');
            continue;
        }
        let docs = std::mem::take(&mut docs);
        if indent == 0 {
            if line == "}" {
                block = None;
            } else if line.starts_with("impl") {
                block = impl_of(line);
            }
            if let Some(name) = type_name(line) {
                found.push(Item { name: name.to_owned(), is_type: true, docs });
                continue;
            }
        }
        let of = match (indent, &block) {
            (0, None) => Some(String::new()),
            (4, Some(name)) => Some(format!("{name}::")),
            _ => None,
        };
        let (Some(of), Some(name)) = (of, function_name(code)) else { continue };
        let mut signature = code.to_owned();
        while !signature.ends_with(['{', ';', '}']) {
            let Some(line) = lines.next() else { break };
            signature.push_str(line.trim());
        }
        if signature.rsplit_once("->").is_some_and(|(_, returned)| returned.contains("Result<")) {
            found.push(Item { name: format!("{of}{name}"), is_type: false, docs });
        }
    }
    found
}

/// The items of the crate's surface, by their file's name below `src`.
fn surface() -> BTreeMap<String, Vec<Item>> {
    let exported = exported(&fs::read_to_string(src().join("lib.rs")).unwrap());
    let mut surface = BTreeMap::new();
    for path in rust_files(&src()) {
        let file = path.strip_prefix(src()).unwrap().display().to_string();
        if file == "lib.rs"
            || file.starts_with("bin/")
            || file.split('/').any(|part| part.starts_with("tests"))
        {
            continue;
        }
        let mut items = items(&fs::read_to_string(&path).unwrap());
        let is_public = |item: &Item| {
            let is_in_public_module = file == "sample/mod.rs" || file.starts_with("interop/");
            exported.contains(ident(&item.name)) || is_in_public_module
        };
        items.retain(is_public);
        if !items.is_empty() {
            surface.insert(file, items);
        }
    }
    surface
}

fn is_excepted(item: &Item) -> bool {
    EXCEPTIONS.iter().any(|(name, _)| item.name == *name)
}

#[test]
fn every_type_and_every_call_that_can_fail_is_documented_with_an_example() {
    let mut wrong = Vec::new();
    for (file, items) in surface() {
        for item in items.iter().filter(|item| !is_excepted(item)) {
            for lack in item.lacks() {
                wrong.push(format!("src/{file}: {} lacks {lack}", item.name));
            }
        }
    }
    assert!(wrong.is_empty(), "the documentation is not whole:\n{}", wrong.join("\n"));
}

#[test]
fn all_that_the_root_exports_is_looked_at() {
    let exported = exported(&fs::read_to_string(src().join("lib.rs")).unwrap());
    let surface = surface();
    let types: BTreeSet<String> =
        surface.values().flatten().filter(|item| item.is_type).map(|item| item.name.clone()).collect();
    let unseen: Vec<_> = exported.difference(&types).collect();
    assert!(unseen.is_empty(), "no file has {unseen:?}");
    let calls = surface.values().flatten().filter(|item| !item.is_type).count();
    assert!(types.len() > 50 && calls > 50, "the test sees {} types and {calls} calls only", types.len());
}

#[test]
fn exceptions_are_made_only_where_they_must_be() {
    let surface = surface();
    for (name, _) in EXCEPTIONS {
        let is_needed = |item: &Item| item.name == *name && !item.lacks().is_empty();
        assert!(
            surface.values().flatten().any(is_needed),
            "{name} is documented or gone: take it off the list"
        );
    }
}

#[test]
fn what_is_missing_is_found() {
    let text = "\
/// One.
///
/// # Examples
///
/// ```
/// assert!(true);
/// ```
#[derive(Debug)]
#[expect(
    dead_code,
    reason = \"a test\"
)]
pub struct One<'a>(&'a str);

/// Another.
///
/// # Examples
///
/// ```
/// let one = 1;
/// ```
pub enum Other {}

impl<'a, F: Fn() -> u8> One<'a> {
    /// Tries.
    pub fn attempt(
        &self,
        text: &str,
    ) -> Result<Option<u8>> {
        None
    }

    /// Does not fail.
    pub const fn length(&self) -> usize {
        0
    }

    pub(crate) fn hidden(&self) -> Result<()> {}
}

impl Iterator for One<'_> {
    pub fn next(&mut self) -> Option<Result<u8>> {}
}
";
    let items = items(text);
    let lacks: Vec<_> = items.iter().map(|item| (item.name.as_str(), item.lacks())).collect();
    assert_eq!(
        lacks,
        [
            ("One", vec![]),
            ("Other", vec!["an example that asserts something"]),
            ("One::attempt", vec!["`# Errors`", "`# Examples`"]),
        ]
    );
}

#[test]
fn exports_are_found_in_every_spelling() {
    let lib = "mod a;\n\npub use chrono::{DateTime, Utc};\npub use a::One;\npub use b::{\n    Two, Three,\n};\n\
        pub mod testing {\n    pub use crate::Four;\n}\n";
    assert_eq!(exported(lib), ["One", "Three", "Two"].map(str::to_owned).into());
}

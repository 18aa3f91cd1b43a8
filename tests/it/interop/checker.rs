//! A checker of the keywords that the schema uses (JSON Schema, draft 2020-12). It fails on any other, so that a rule
//! that it does not know is not passed over.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value as Json};

/// Keywords that say nothing of what is valid.
const ANNOTATIONS: [&str; 6] = ["$schema", "$id", "$comment", "$defs", "title", "description"];

pub(super) struct Checker {
    root: Json,
    patterns: HashMap<String, Regex>,
}

impl Checker {
    pub(super) fn new(schema: &str) -> Self {
        let root: Json = serde_json::from_str(schema).unwrap();
        let mut patterns = HashMap::new();
        collect_patterns(&root, &mut patterns);
        Self { root, patterns }
    }

    pub(super) fn is_valid(&self, instance: &Json) -> bool {
        self.holds(&self.root, instance)
    }

    fn holds(&self, schema: &Json, instance: &Json) -> bool {
        let schema = match schema {
            Json::Bool(holds) => return *holds,
            schema => schema.as_object().unwrap(),
        };
        schema.iter().all(|(keyword, rule)| self.keyword(schema, keyword, rule, instance))
    }

    fn keyword(&self, schema: &Map<String, Json>, keyword: &str, rule: &Json, instance: &Json) -> bool {
        match keyword {
            "$ref" => self
                .holds(self.root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(), instance),
            "type" => match rule {
                Json::Array(types) => types.iter().any(|name| is_of_type(name, instance)),
                name => is_of_type(name, instance),
            },
            "const" => rule == instance,
            "enum" => rule.as_array().unwrap().contains(instance),
            "pattern" => {
                instance.as_str().is_none_or(|text| self.patterns[rule.as_str().unwrap()].is_match(text))
            }
            "maxLength" => instance.as_str().is_none_or(|text| text.chars().count() as u64 <= number(rule)),
            "maxProperties" => instance.as_object().is_none_or(|object| object.len() as u64 <= number(rule)),
            "required" => instance.as_object().is_none_or(|object| {
                rule.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "properties" => instance.as_object().is_none_or(|object| {
                let rules = rule.as_object().unwrap();
                rules.iter().all(|(name, rule)| object.get(name).is_none_or(|value| self.holds(rule, value)))
            }),
            "additionalProperties" => instance.as_object().is_none_or(|object| {
                let named = schema.get("properties").and_then(Json::as_object);
                let is_named = |name: &String| named.is_some_and(|named| named.contains_key(name));
                object.iter().all(|(name, value)| is_named(name) || self.holds(rule, value))
            }),
            "propertyNames" => instance
                .as_object()
                .is_none_or(|object| object.keys().all(|name| self.holds(rule, &Json::String(name.clone())))),
            "items" => {
                instance.as_array().is_none_or(|list| list.iter().all(|element| self.holds(rule, element)))
            }
            "allOf" => rule.as_array().unwrap().iter().all(|rule| self.holds(rule, instance)),
            "if" => !self.holds(rule, instance) || self.holds(&schema["then"], instance),
            // Read with "if".
            "then" => schema.contains_key("if"),
            annotation => {
                assert!(ANNOTATIONS.contains(&annotation), "the checker does not know {annotation}");
                true
            }
        }
    }
}

fn number(rule: &Json) -> u64 {
    rule.as_u64().unwrap()
}

fn is_of_type(name: &Json, instance: &Json) -> bool {
    match name.as_str().unwrap() {
        "null" => instance.is_null(),
        "string" => instance.is_string(),
        "object" => instance.is_object(),
        other => panic!("the checker does not know the type {other}"),
    }
}

/// Patterns are the same in ECMA-262 and here: classes, groups, counts and anchors, letters by `\u` and four digits.
fn collect_patterns(schema: &Json, patterns: &mut HashMap<String, Regex>) {
    match schema {
        Json::Array(list) => list.iter().for_each(|schema| collect_patterns(schema, patterns)),
        Json::Object(object) => {
            if let Some(Json::String(pattern)) = object.get("pattern") {
                patterns.entry(pattern.clone()).or_insert_with(|| Regex::new(pattern).unwrap());
            }
            object.values().for_each(|schema| collect_patterns(schema, patterns));
        }
        _ => {}
    }
}

#[test]
fn the_checker_tells_good_from_bad_by_each_keyword() {
    let cases = [
        (r#"{"type":"object"}"#, "{}", "[]"),
        (r#"{"type":["string","null"]}"#, "null", "1"),
        (r#"{"const":"a"}"#, "\"a\"", "\"b\""),
        (r#"{"enum":["a",1]}"#, "1", "2"),
        (r#"{"pattern":"^[^\\u0000-\\u001f]$"}"#, "\"a\"", "\"\\n\""),
        (r#"{"maxLength":1}"#, "\"\u{e9}\"", "\"ab\""),
        (r#"{"maxProperties":1}"#, r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
        (r#"{"required":["a"]}"#, r#"{"a":null}"#, "{}"),
        (r#"{"properties":{"a":{"type":"null"}}}"#, r#"{"a":null,"b":1}"#, r#"{"a":1}"#),
        (r#"{"properties":{"a":true},"additionalProperties":false}"#, r#"{"a":1}"#, r#"{"b":1}"#),
        (r#"{"propertyNames":{"maxLength":1}}"#, r#"{"a":1}"#, r#"{"ab":1}"#),
        (r#"{"items":{"type":"null"}}"#, "[null]", "[null,1]"),
        (r#"{"allOf":[{"type":"object"},{"maxProperties":0}]}"#, "{}", r#"{"a":1}"#),
        (r#"{"if":{"type":"object"},"then":{"required":["a"]}}"#, "1", "{}"),
        (r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}}"##, "null", "1"),
    ];
    for (schema, good, bad) in cases {
        let checker = Checker::new(schema);
        assert!(checker.is_valid(&serde_json::from_str(good).unwrap()), "{schema} takes {good}");
        assert!(!checker.is_valid(&serde_json::from_str(bad).unwrap()), "{schema} refuses {bad}");
    }
}

//! The JSON value as a host builds and reads it.

mod convert;

use std::collections::{BTreeMap, btree_map};
use std::fmt;

use super::address::{KeyClass, classify_key};
use super::json::Reader;
use super::json::write::write_string;
use super::number::Number;
use super::tree::{TreeBuilder, TreeWriter};
use crate::error::Result;
use crate::limits::Limits;

/// Any JSON value (RFC 8259).
///
/// Two are equal where JSON says so: numbers by value, objects whatever the order of their keys. Whatever a host
/// builds events from converts into one: booleans, numbers, strings, options, lists, arrays and [`Object`]s. `Debug`
/// shows nothing of what stands under keys that are known to hold an address.
///
/// # Examples
///
/// ```
/// use envelog::{Object, Value};
///
/// let page = Object::from([("url", "/pricing"), ("title", "Pricing")]);
/// let mut properties = Object::new();
/// properties.insert("page", page);
/// properties.insert("items", [1, 2, 3]);
/// let value = Value::from(properties);
///
/// assert_eq!(value.to_string(), r#"{"items":[1,2,3],"page":{"title":"Pricing","url":"/pricing"}}"#);
/// assert_eq!(value.get_path("page.url").and_then(Value::as_str), Some("/pricing"));
/// assert_eq!(Value::from(None::<bool>), Value::Null);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number of any size.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(Object),
}

/// A JSON object. Its keys are in byte order, whatever order they came in.
///
/// # Examples
///
/// ```
/// use envelog::{Object, Value};
///
/// let mut order = Object::from([("currency", "EUR")]);
/// order.insert("amount", 4200);
/// assert_eq!(order.keys().collect::<Vec<_>>(), ["amount", "currency"]);
/// assert_eq!(order.get("amount").and_then(Value::as_i64), Some(4200));
/// assert_eq!(order.remove("currency"), Some(Value::from("EUR")));
/// assert_eq!(order.to_string(), r#"{"amount":4200}"#);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Object(BTreeMap<String, Value>);

impl Value {
    /// The value of a JSON text: UTF-8, strict JSON (RFC 8259), white space around it or not.
    ///
    /// Of the limits those of depth, keys and lengths hold; nesting deeper than 128 levels is refused whatever they
    /// say.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) where the text is not strict JSON, an object has a key twice, or a
    /// limit of depth, keys or lengths is exceeded.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Limits, Value};
    ///
    /// let value = Value::from_json(br#" {"plan": "pro", "seats": 5.0} "#, &Limits::default())?;
    /// assert_eq!(value.get("seats").and_then(Value::as_i64), Some(5));
    /// assert!(Value::from_json(br#"{"plan": "pro", "plan": "free"}"#, &Limits::default()).is_err());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn from_json(json: &[u8], limits: &Limits) -> Result<Self> {
        let mut reader = Reader::new(json)?;
        let mut builder = TreeBuilder::new(limits);
        let mut writer = builder.begin("value", None);
        reader.value_into(&mut writer)?;
        reader.end()?;
        let span = writer.finish()?;
        Ok(super::tree::ValueRef::new(builder.tree(span)).to_value())
    }

    /// Tells whether it is null.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The integer, if it is one that an `i64` holds.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// The integer, if it is one that a `u64` holds.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    /// The nearest float, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number().map(Number::as_f64)
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The value under a key, if it is an object and has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key)
    }

    /// The value at a path of keys joined by points, such as `page.url`. Keys that hold a point are not found, nor
    /// are elements of lists.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Limits, Value};
    ///
    /// let value = Value::from_json(br#"{"page":{"url":"/pricing"},"tags":["a"]}"#, &Limits::default())?;
    /// assert_eq!(value.get_path("page.url").and_then(Value::as_str), Some("/pricing"));
    /// assert_eq!(value.get_path("page.title"), None);
    /// assert_eq!(value.get_path("tags.0"), None);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn get_path(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self, |value, key| value.get(key))
    }

    /// Appends the compact JSON text: keys in byte order, numbers in their canonical form, the least escapes.
    ///
    /// A number that was made from a float that is not finite comes out as null.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::Value;
    ///
    /// let mut out = b"plan=".to_vec();
    /// Value::from(["pro", "team"]).write_json(&mut out);
    /// assert_eq!(out, br#"plan=["pro","team"]"#);
    /// ```
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(number) => match number.parts() {
                Some(parts) => parts.write_json(out),
                None => out.extend_from_slice(b"null"),
            },
            Self::String(text) => write_string(out, text),
            Self::List(list) => {
                out.push(b'[');
                for (index, element) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write_json(out);
                }
                out.push(b']');
            }
            Self::Object(object) => object.write_json(out),
        }
    }

    /// Pushes the value to a tree. The tree's limit on depth ends the recursion.
    pub(crate) fn push(&self, writer: &mut TreeWriter<'_>) -> Result<()> {
        match self {
            Self::Null => writer.null(),
            Self::Bool(value) => writer.bool(*value),
            Self::Number(number) => writer.number(number),
            Self::String(text) => writer.string(text),
            Self::List(list) => {
                writer.begin_list()?;
                list.iter().try_for_each(|element| element.push(writer))?;
                writer.end_list()
            }
            Self::Object(object) => object.push(writer),
        }
    }
}

impl Object {
    /// An object without entries.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The count of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The value under a key, to be changed in place.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.get_mut(key)
    }

    /// Tells whether there is an entry with that key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Sets the value under a key and returns the one that it replaces.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(key.into(), value.into())
    }

    /// Takes the entry with that key out and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// The entries in key order.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Value> {
        self.0.iter()
    }

    /// The keys in order.
    pub fn keys(&self) -> btree_map::Keys<'_, String, Value> {
        self.0.keys()
    }

    /// Appends the compact JSON text, as [`Value::write_json`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::Object;
    ///
    /// let mut out = Vec::new();
    /// Object::from([("plan", "pro"), ("locale", "pt-PT")]).write_json(&mut out);
    /// assert_eq!(out, br#"{"locale":"pt-PT","plan":"pro"}"#);
    /// ```
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(out, key);
            out.push(b':');
            value.write_json(out);
        }
        out.push(b'}');
    }

    /// Pushes the object to a tree.
    pub(crate) fn push(&self, writer: &mut TreeWriter<'_>) -> Result<()> {
        writer.begin_object()?;
        self.iter().try_for_each(|(key, value)| {
            writer.key(key)?;
            value.push(writer)
        })?;
        writer.end_object()
    }
}

impl fmt::Display for Value {
    /// The compact JSON text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Vec::new();
        self.write_json(&mut json);
        f.pad(&String::from_utf8_lossy(&json))
    }
}

impl fmt::Display for Object {
    /// The compact JSON text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Vec::new();
        self.write_json(&mut json);
        f.pad(&String::from_utf8_lossy(&json))
    }
}

impl fmt::Debug for Value {
    /// As JSON, but without what stands under keys that are known to hold an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => fmt::Debug::fmt(value, f),
            Self::Number(number) => fmt::Debug::fmt(number, f),
            Self::String(text) => fmt::Debug::fmt(text, f),
            Self::List(list) => f.debug_list().entries(list).finish(),
            Self::Object(object) => fmt::Debug::fmt(object, f),
        }
    }
}

impl fmt::Debug for Object {
    /// As JSON, but without what stands under keys that are known to hold an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in self {
            match classify_key(key) {
                KeyClass::Plain => map.entry(key, value),
                KeyClass::Address | KeyClass::Token => map.entry(key, &format_args!("<address>")),
            };
        }
        map.finish()
    }
}

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;

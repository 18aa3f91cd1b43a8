//! Reading a tree where it lies. Bytes that are no tree give nulls and ends.

use std::fmt;

use super::layout::{self, Container, GROUP, WALKED_MAX};
use crate::envelope::json::DEPTH_MAX;
use crate::envelope::number::Number;
use crate::envelope::value::{Object, Value};

/// What kind of value it is: the six of JSON, true and false counted as one.
///
/// # Examples
///
/// ```
/// use envelog::{Kind, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "billing");
/// scope.identify("u_1").set("plan", "pro").set("seats", 5).append()?;
///
/// let profile = store.project(project).profile("u_1")?.expect("identified above");
/// let kinds: Vec<_> = profile.traits().map(|each| (each.name, each.value.kind())).collect();
/// assert_eq!(kinds, [("plan", Kind::String), ("seats", Kind::Number)]);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number of any size.
    Number,
    /// A string.
    String,
    /// A list.
    List,
    /// An object.
    Object,
}

/// A value as it lies in a stored event: borrowed, not parsed.
///
/// Two are equal where their values are. A value whose bytes are damaged reads as null. Looking something up neither
/// parses the rest nor allocates; [`ValueRef::to_value`] makes an owned copy.
///
/// # Examples
///
/// ```
/// use envelog::{Object, Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let scope = store.scope(org, project, "analytics");
/// let page = Object::from([("url", "/pricing"), ("title", "Pricing")]);
/// let viewed = scope.track("page.viewed").property("page", page).property("tags", ["a", "b"]).append()?;
///
/// let view = store.project(project).view()?;
/// let event = view.get(viewed.position)?.expect("appended above");
/// let properties = event.properties().expect("given above");
/// assert_eq!(properties.get_path("page.url").and_then(|url| url.as_str()), Some("/pricing"));
/// assert_eq!(properties.get("tags").map_or(0, |tags| tags.len()), 2);
/// assert_eq!(properties.get("page").unwrap().to_string(), r#"{"title":"Pricing","url":"/pricing"}"#);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueRef<'a> {
    bytes: &'a [u8],
}

impl<'a> ValueRef<'a> {
    /// The value whose tree the bytes are, checked or not.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes of the tree, which stand for the value in equality and hashes.
    pub(crate) const fn as_tree(&self) -> &'a [u8] {
        self.bytes
    }

    /// What kind of value it is.
    pub fn kind(&self) -> Kind {
        match self.bytes.first().copied() {
            Some(..=layout::SMALL_INT_MAX | layout::INT..=layout::NEGATIVE_DIGITS) => Kind::Number,
            Some(layout::SHORT_STRING..=layout::MEDIUM_STRING_LAST | layout::LONG_STRING) => Kind::String,
            Some(layout::FALSE | layout::TRUE) => Kind::Bool,
            Some(layout::LIST..layout::OBJECT) => Kind::List,
            Some(layout::OBJECT..) => Kind::Object,
            _ => Kind::Null,
        }
    }

    /// Tells whether it is null.
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match *self.bytes.first()? {
            layout::TRUE => Some(true),
            layout::FALSE => Some(false),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(layout::string(self.bytes)?.0).ok()
    }

    /// The integer, if it is one that an `i64` holds.
    pub fn as_i64(&self) -> Option<i64> {
        let (negative, magnitude, _) = layout::integer(self.bytes)?;
        if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    }

    /// The integer, if it is one that a `u64` holds.
    pub fn as_u64(&self) -> Option<u64> {
        layout::integer(self.bytes).filter(|(negative, ..)| !negative).map(|(_, magnitude, _)| magnitude)
    }

    /// The nearest float, if it is a number; ties to even.
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
    pub fn as_f64(&self) -> Option<f64> {
        if let Some((negative, magnitude, _)) = layout::integer(self.bytes) {
            return Some(if negative { -(magnitude as f64) } else { magnitude as f64 });
        }
        if let Some((scaled, _)) = layout::scaled(self.bytes) {
            return Some(scaled.as_f64()).filter(|value| value.is_finite());
        }
        layout::number(self.bytes, &mut Vec::new()).map(|(parts, _)| parts.as_f64())
    }

    /// The number with all its digits, if it is one.
    pub fn as_number(&self) -> Option<Number> {
        layout::number(self.bytes, &mut Vec::new()).map(|(parts, _)| Number::from_parts(&parts))
    }

    /// The count of elements or entries; 0 for what is neither list nor object.
    pub fn len(&self) -> usize {
        layout::container(self.bytes).map_or(0, |container| container.count)
    }

    /// Tells whether there are no elements or entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under a key, if it is an object and has it. Neither parses nor allocates.
    pub fn get(&self, key: &str) -> Option<ValueRef<'a>> {
        let object = layout::container(self.bytes).filter(|container| container.is_object)?;
        if object.count <= WALKED_MAX {
            return find(object.entries, object.count, key.as_bytes());
        }
        let (entries, count) = group(&object, key.as_bytes())?;
        find(entries, count, key.as_bytes())
    }

    /// The value at a path of keys joined by points, such as `page.url`. Keys that hold a point are not found, nor
    /// are elements of lists.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Object, Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let page = Object::from([("url", "/pricing")]);
    /// store.scope(org, project, "analytics").track("page.viewed").context("page", page).append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let event = view.events().iter().next().expect("appended above")?;
    /// let context = event.context().expect("given above");
    /// assert_eq!(context.get_path("page.url").and_then(|url| url.as_str()), Some("/pricing"));
    /// assert!(context.get_path("page.title").is_none());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn get_path(&self, path: &str) -> Option<ValueRef<'a>> {
        path.split('.').try_fold(*self, |value, key| value.get(key))
    }

    /// The element at an index, from 0, if it is a list and has one. The elements before it are walked over.
    pub fn get_index(&self, index: usize) -> Option<ValueRef<'a>> {
        self.elements().nth(index)
    }

    /// The entries in key order; none for what is no object.
    pub fn entries(&self) -> ObjectIter<'a> {
        let object = layout::container(self.bytes).filter(|container| container.is_object);
        ObjectIter { rest: rest_of(object) }
    }

    /// The elements; none for what is no list.
    pub fn elements(&self) -> ListIter<'a> {
        let list = layout::container(self.bytes).filter(|container| !container.is_object);
        ListIter { rest: rest_of(list) }
    }

    /// An owned copy. What lies deeper than 128 levels, which no accepted event has, is null in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid, Value};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// let placed = shop.track("order.placed").property("items", ["sku_1", "sku_2"]).append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let event = view.get(placed.position)?.expect("appended above");
    /// let items = event.property("items").map(|items| items.to_value());
    /// assert_eq!(items, Some(Value::from(["sku_1", "sku_2"])));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn to_value(self) -> Value {
        self.to_value_below(DEPTH_MAX)
    }

    fn to_value_below(self, depth: usize) -> Value {
        match self.kind() {
            Kind::Null => Value::Null,
            Kind::Bool => self.as_bool().map_or(Value::Null, Value::Bool),
            Kind::Number => self.as_number().map_or(Value::Null, Value::Number),
            Kind::String => self.as_str().map_or(Value::Null, |text| Value::String(text.to_owned())),
            Kind::List | Kind::Object if depth == 0 => Value::Null,
            Kind::List => Value::List(self.elements().map(|value| value.to_value_below(depth - 1)).collect()),
            Kind::Object => {
                let entries = self.entries();
                let owned = entries.map(|(key, value)| (key.to_owned(), value.to_value_below(depth - 1)));
                Value::Object(owned.collect::<Object>())
            }
        }
    }
}

/// The part of a table's object where a key must stand: its group of entries and their count.
fn group<'a>(object: &Container<'a>, key: &[u8]) -> Option<(&'a [u8], usize)> {
    let (mut low, mut high) = (0, layout::table_offsets(object.count));
    // The group before offset `low` begins with a key that is not greater; that of `high` with a greater one.
    while low < high {
        let middle = low.midpoint(high);
        let entry = object.entries.get(object.offset(middle)?..)?;
        if layout::key(entry)?.0 <= key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let start = if low == 0 { 0 } else { object.offset(low - 1)? };
    let count = object.count.checked_sub(low * GROUP)?.min(GROUP);
    Some((object.entries.get(start..)?, count))
}

/// Walks entries for a key.
fn find<'a>(mut entries: &'a [u8], count: usize, wanted: &[u8]) -> Option<ValueRef<'a>> {
    for _ in 0..count {
        let (key, key_len) = layout::key(entries)?;
        let value = entries.get(key_len..)?;
        let len = layout::node_len(value)?;
        if key == wanted {
            return value.get(..len).map(ValueRef::new);
        }
        entries = value.get(len..)?;
    }
    None
}

fn rest_of(container: Option<Container<'_>>) -> Rest<'_> {
    container.map_or(Rest { bytes: &[], count: 0 }, |container| Rest {
        bytes: container.entries,
        count: container.count,
    })
}

/// What is left of a container.
#[derive(Debug, Clone)]
struct Rest<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Rest<'a> {
    fn key(&mut self) -> Option<&'a str> {
        let (key, len) = layout::key(self.bytes)?;
        self.bytes = self.bytes.get(len..)?;
        std::str::from_utf8(key).ok()
    }

    fn value(&mut self) -> Option<ValueRef<'a>> {
        let (value, rest) = self.bytes.split_at_checked(layout::node_len(self.bytes)?)?;
        self.bytes = rest;
        Some(ValueRef::new(value))
    }

    /// Takes one entry; whatever is damaged ends the container.
    fn step<T>(&mut self, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.count = self.count.checked_sub(1)?;
        let taken = take(self);
        if taken.is_none() {
            self.count = 0;
        }
        taken
    }
}

/// The entries of an object, in the byte order of their keys; made by [`ValueRef::entries`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "billing");
/// let placed = shop.track("order.placed").property("currency", "EUR").property("amount", 4200).append()?;
///
/// let view = store.project(project).view()?;
/// let event = view.get(placed.position)?.expect("appended above");
/// let mut entries = event.properties().expect("given above").entries();
/// assert_eq!(entries.next().map(|(key, value)| (key, value.as_i64())), Some(("amount", Some(4200))));
/// assert_eq!(entries.next().map(|(key, value)| (key, value.as_str())), Some(("currency", Some("EUR"))));
/// assert!(entries.next().is_none());
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ObjectIter<'a> {
    rest: Rest<'a>,
}

impl<'a> Iterator for ObjectIter<'a> {
    type Item = (&'a str, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.step(|rest| Some((rest.key()?, rest.value()?)))
    }
}

impl std::iter::FusedIterator for ObjectIter<'_> {}

/// The elements of a list; made by [`ValueRef::elements`].
///
/// # Examples
///
/// ```
/// use envelog::{Store, Uuid};
///
/// let store = Store::in_memory()?;
/// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
/// let shop = store.scope(org, project, "billing");
/// let placed = shop.track("order.placed").property("items", ["sku_1", "sku_2"]).append()?;
///
/// let view = store.project(project).view()?;
/// let event = view.get(placed.position)?.expect("appended above");
/// let items = event.property("items").expect("given above").elements();
/// assert_eq!(items.filter_map(|item| item.as_str()).collect::<Vec<_>>(), ["sku_1", "sku_2"]);
/// # Ok::<(), envelog::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ListIter<'a> {
    rest: Rest<'a>,
}

impl<'a> Iterator for ListIter<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.step(Rest::value)
    }
}

impl std::iter::FusedIterator for ListIter<'_> {}

impl fmt::Display for ValueRef<'_> {
    /// The compact JSON text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Vec::new();
        self.write_json(&mut json);
        f.pad(&String::from_utf8_lossy(&json))
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! The values themselves as serde types, and their calls into this module.

use std::collections::btree_map;
use std::fmt;
use std::slice;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::de::{Opened, Source, from_source};
use super::ser::serialize_into;
use crate::envelope::number::Number;
use crate::envelope::tree::{Kind, ListIter, ObjectIter, TreeBuilder, ValueRef};
use crate::envelope::value::{Object, Value};
use crate::error::Result;
use crate::limits::Limits;

impl Value {
    /// The value that serde makes of a host's type, by the conventions of `serde_json`.
    ///
    /// Limits are not checked here but when the envelope is accepted.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) with the path of what has no JSON form: a float that is not finite,
    /// a key that is no string, integer or boolean, a key that occurs twice, nesting deeper than 128 levels; and
    /// where the type's own `Serialize` fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::Value;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Address {
    ///     city: &'static str,
    ///     floor: Option<u8>,
    /// }
    ///
    /// let value = Value::from_serialize(&Address { city: "Lisbon", floor: None })?;
    /// assert_eq!(value.to_string(), r#"{"city":"Lisbon","floor":null}"#);
    /// assert!(Value::from_serialize(&f64::NAN).is_err());
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let limits = Limits {
            depth_max: usize::MAX,
            keys_max: usize::MAX,
            key_bytes_max: usize::MAX,
            string_bytes_max: usize::MAX,
            ..Limits::default()
        };
        let mut builder = TreeBuilder::new(&limits);
        let mut writer = builder.begin("value", None);
        serialize_into(value, &mut writer)?;
        let span = writer.finish()?;
        Ok(ValueRef::new(builder.tree(span)).to_value())
    }

    /// A host's type made from the value, which it may borrow strings from.
    ///
    /// Numbers beyond 64 bits come as the nearest `f64`, or exactly where an `i128` or `u128` is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) with the path of what does not fit the type.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Error, Object, Value};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order<'a> {
    ///     amount: u32,
    ///     currency: &'a str,
    /// }
    ///
    /// let value = Value::from(Object::from([("amount", Value::from(4200)), ("currency", Value::from("EUR"))]));
    /// let order: Order = value.deserialize()?;
    /// assert_eq!((order.amount, order.currency), (4200, "EUR"));
    ///
    /// let refused = value.deserialize::<Vec<u32>>();
    /// assert!(matches!(refused, Err(Error::Invalid { .. })));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn deserialize<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        from_source(self)
    }
}

impl<'a> ValueRef<'a> {
    /// A host's type made from the value, which it may borrow strings from. As [`Value::deserialize`].
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) with the path of what does not fit the type.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order<'a> {
    ///     amount: u32,
    ///     currency: &'a str,
    /// }
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// let placed = shop.track("order.placed").property("amount", 4200).property("currency", "EUR").append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let event = view.get(placed.position)?.expect("appended above");
    /// let order: Order = event.properties().expect("given above").deserialize()?;
    /// assert_eq!((order.amount, order.currency), (4200, "EUR"));
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn deserialize<T: Deserialize<'a>>(&self) -> Result<T> {
        from_source(*self)
    }
}

impl<'de> Source<'de> for ValueRef<'de> {
    type Elements = ListIter<'de>;
    type Entries = ObjectIter<'de>;

    fn open(self) -> Opened<'de, Self> {
        let opened = match self.kind() {
            Kind::Null => None,
            Kind::Bool => self.as_bool().map(Opened::Bool),
            Kind::Number => self.as_number().map(Opened::Number),
            Kind::String => self.as_str().map(Opened::String),
            Kind::List => Some(Opened::List(self.elements())),
            Kind::Object => Some(Opened::Object(self.entries())),
        };
        opened.unwrap_or(Opened::Null)
    }
}

impl<'de> Source<'de> for &'de Value {
    type Elements = slice::Iter<'de, Value>;
    type Entries = Borrowed<'de>;

    fn open(self) -> Opened<'de, Self> {
        match self {
            Value::Null => Opened::Null,
            Value::Bool(value) => Opened::Bool(*value),
            Value::Number(number) => Opened::Number(number.clone()),
            Value::String(text) => Opened::String(text),
            Value::List(list) => Opened::List(list.iter()),
            Value::Object(object) => Opened::Object(Borrowed(object.iter())),
        }
    }
}

/// The entries of an object with plain keys.
pub(crate) struct Borrowed<'a>(btree_map::Iter<'a, String, Value>);

impl<'a> Iterator for Borrowed<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }
}

impl Serialize for Number {
    /// As an integer of 64 bits, of 128 bits, or else as the nearest float.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match (self.as_i64(), self.as_u64()) {
            (Some(value), _) => serializer.serialize_i64(value),
            (None, Some(value)) => serializer.serialize_u64(value),
            (None, None) => serializer.serialize_f64(self.as_f64()),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl Serialize for ValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.open() {
            Opened::Null => serializer.serialize_unit(),
            Opened::Bool(value) => serializer.serialize_bool(value),
            Opened::Number(number) => number.serialize(serializer),
            Opened::String(text) => serializer.serialize_str(text),
            Opened::List(elements) => serializer.collect_seq(elements),
            Opened::Object(entries) => serializer.collect_map(entries),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match deserializer.deserialize_map(ValueVisitor)? {
            Value::Object(object) => Ok(object),
            _ => Err(D::Error::custom("expected an object")),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match deserializer.deserialize_any(ValueVisitor)? {
            Value::Number(number) => Ok(number),
            _ => Err(D::Error::custom("expected a number")),
        }
    }
}

struct ValueVisitor;

macro_rules! visit_numbers {
    ($($name:ident: $number:ty),*) => {$(
        fn $name<E: serde::de::Error>(self, value: $number) -> std::result::Result<Value, E> {
            Ok(Value::from(value))
        }
    )*};
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    visit_numbers!(visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128);

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a float that is not finite"))
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> std::result::Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element::<Value>()? {
            list.push(element);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

//! Trees and values into host types, borrowing their strings.

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use crate::envelope::json::DEPTH_MAX;
use crate::envelope::number::Number;
use crate::error::Result;

type Got<T> = std::result::Result<T, Fault>;

/// A value that can be taken apart.
pub(crate) trait Source<'de>: Copy {
    type Elements: Iterator<Item = Self>;
    type Entries: Iterator<Item = (&'de str, Self)>;

    fn open(self) -> Opened<'de, Self>;
}

/// A value taken apart.
pub(crate) enum Opened<'de, S: Source<'de>> {
    Null,
    Bool(bool),
    Number(Number),
    String(&'de str),
    List(S::Elements),
    Object(S::Entries),
}

/// The host's type made from a value.
pub(super) fn from_source<'de, S: Source<'de>, T: Deserialize<'de>>(source: S) -> Result<T> {
    T::deserialize(Pull { source, depth: DEPTH_MAX }).map_err(|fault| fault.into_error("value"))
}

/// One value to be deserialized.
struct Pull<S> {
    source: S,
    /// How many levels it may still go down: types of the host recurse.
    depth: usize,
}

fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Got<V::Value> {
    match (number.as_u64(), number.as_i64()) {
        (Some(value), _) => visitor.visit_u64(value),
        (None, Some(value)) => visitor.visit_i64(value),
        (None, None) => visitor.visit_f64(number.as_f64()),
    }
}

impl<'de, S: Source<'de>> Pull<S> {
    fn below(&self) -> Got<usize> {
        self.depth.checked_sub(1).ok_or_else(|| Fault::new("is nested deeper than 128 levels"))
    }

    fn elements<V: Visitor<'de>>(&self, elements: S::Elements, visitor: V) -> Got<V::Value> {
        let mut access = Elements { rest: elements, index: 0, depth: self.below()? };
        let value = visitor.visit_seq(&mut access)?;
        let more: Option<S> = access.rest.next();
        match more {
            None => Ok(value),
            Some(_) => Err(Fault::new(format!("expected {} elements, found more", access.index))),
        }
    }

    fn entries<V: Visitor<'de>>(&self, entries: S::Entries, visitor: V) -> Got<V::Value> {
        let mut access = Entries::<'de, S> { rest: entries, value: None, depth: self.below()? };
        let value = visitor.visit_map(&mut access)?;
        match access.rest.next() {
            None => Ok(value),
            Some(_) => Err(Fault::new("expected fewer entries")),
        }
    }

    /// The digits of an integer beyond 64 bits.
    fn wide<T: std::str::FromStr>(&self) -> Option<T> {
        match self.source.open() {
            Opened::Number(number) if number.as_u64().is_none() => number.integer_text()?.parse().ok(),
            _ => None,
        }
    }
}

impl<'de, S: Source<'de>> Deserializer<'de> for Pull<S> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
        match self.source.open() {
            Opened::Null => visitor.visit_unit(),
            Opened::Bool(value) => visitor.visit_bool(value),
            Opened::Number(number) => visit_number(&number, visitor),
            Opened::String(text) => visitor.visit_borrowed_str(text),
            Opened::List(elements) => self.elements(elements, visitor),
            Opened::Object(entries) => self.entries(entries, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
        match self.source.open() {
            Opened::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Got<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
        match self.wide() {
            Some(value) => visitor.visit_i128(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
        match self.wide() {
            Some(value) => visitor.visit_u128(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Got<V::Value> {
        let depth = self.below()?;
        match self.source.open() {
            Opened::String(name) => visitor.visit_enum(name.into_deserializer()),
            Opened::Object(mut entries) => match (entries.next(), entries.next()) {
                (Some((name, source)), None) => visitor.visit_enum(Variant { name, source, depth }),
                _ => Err(Fault::new("expected an object of one entry, the variant")),
            },
            _ => Err(Fault::new("expected a variant: a string, or an object of one entry")),
        }
    }

    /// Passes the value without a look at it.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

struct Elements<I> {
    rest: I,
    index: usize,
    depth: usize,
}

impl<'de, S: Source<'de>, I: Iterator<Item = S>> SeqAccess<'de> for Elements<I> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Got<Option<T::Value>> {
        let Some(source) = self.rest.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(Pull { source, depth: self.depth });
        value.map(Some).map_err(|fault| fault.under_index(index))
    }
}

struct Entries<'de, S: Source<'de>> {
    rest: S::Entries,
    /// The entry whose key was taken.
    value: Option<(&'de str, S)>,
    depth: usize,
}

impl<'de, S: Source<'de>> MapAccess<'de> for Entries<'de, S> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Got<Option<K::Value>> {
        let Some((key, source)) = self.rest.next() else { return Ok(None) };
        self.value = Some((key, source));
        seed.deserialize(Key { key }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Got<V::Value> {
        let Some((key, source)) = self.value.take() else {
            return Err(Fault::new("a value was asked for before its key"));
        };
        let value = seed.deserialize(Pull { source, depth: self.depth });
        value.map_err(|fault| fault.under_key(key))
    }
}

/// A key, which the host may want as an integer or a boolean.
struct Key<'de> {
    key: &'de str,
}

macro_rules! integer_keys {
    ($($name:ident: $integer:ty => $visit:ident),*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
            match self.key.parse::<$integer>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
        visitor.visit_borrowed_str(self.key)
    }

    integer_keys! {
        deserialize_i8: i8 => visit_i8, deserialize_i16: i16 => visit_i16, deserialize_i32: i32 => visit_i32,
        deserialize_i64: i64 => visit_i64, deserialize_i128: i128 => visit_i128,
        deserialize_u8: u8 => visit_u8, deserialize_u16: u16 => visit_u16, deserialize_u32: u32 => visit_u32,
        deserialize_u64: u64 => visit_u64, deserialize_u128: u128 => visit_u128,
        deserialize_bool: bool => visit_bool
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Got<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Got<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Got<V::Value> {
        visitor.visit_enum(self.key.into_deserializer())
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// A variant with data: the one entry of an object.
struct Variant<'de, S> {
    name: &'de str,
    source: S,
    depth: usize,
}

impl<'de, S: Source<'de>> EnumAccess<'de> for Variant<'de, S> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Got<(V::Value, Self)> {
        let name = seed.deserialize(Key { key: self.name })?;
        Ok((name, self))
    }
}

impl<'de, S: Source<'de>> VariantAccess<'de> for Variant<'de, S> {
    type Error = Fault;

    fn unit_variant(self) -> Got<()> {
        match self.source.open() {
            Opened::Null => Ok(()),
            _ => Err(Fault::new("expected a variant without data").under_key(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Got<T::Value> {
        let value = seed.deserialize(Pull { source: self.source, depth: self.depth });
        value.map_err(|fault| fault.under_key(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Got<V::Value> {
        let pull = Pull { source: self.source, depth: self.depth };
        let value = match self.source.open() {
            Opened::List(elements) => pull.elements(elements, visitor),
            _ => Err(Fault::invalid_type(Unexpected::Other("value"), &visitor)),
        };
        value.map_err(|fault| fault.under_key(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Got<V::Value> {
        let pull = Pull { source: self.source, depth: self.depth };
        let value = match self.source.open() {
            Opened::Object(entries) => pull.entries(entries, visitor),
            Opened::List(elements) => pull.elements(elements, visitor),
            _ => Err(Fault::invalid_type(Unexpected::Other("value"), &visitor)),
        };
        value.map_err(|fault| fault.under_key(self.name))
    }
}

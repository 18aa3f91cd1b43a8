//! Host types into trees.

use std::fmt::Display;

use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};

use super::fault::Fault;
use crate::envelope::number::Number;
use crate::envelope::tree::TreeWriter;
use crate::error::Error;
use crate::error::Result;

type Done = std::result::Result<(), Fault>;

/// Pushes what serde says of a value to the tree.
pub(crate) fn serialize_into(value: &(impl Serialize + ?Sized), writer: &mut TreeWriter<'_>) -> Result<()> {
    match value.serialize(Push { writer }) {
        Ok(()) => Ok(()),
        Err(Fault::Placed(error)) => Err(error),
        Err(Fault::Open { reason, .. }) => Err(writer.fault(reason)),
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Placed(error)
    }
}

/// Pushes one value.
struct Push<'w, 'b> {
    writer: &'w mut TreeWriter<'b>,
}

impl<'w, 'b> Push<'w, 'b> {
    fn number(self, number: impl Into<Number>) -> Done {
        Ok(self.writer.number(&number.into())?)
    }

    fn list(self, is_wrapped: bool) -> std::result::Result<Compound<'w, 'b>, Fault> {
        self.writer.begin_list()?;
        Ok(Compound { writer: self.writer, is_object: false, is_wrapped })
    }

    fn object(self, is_wrapped: bool) -> std::result::Result<Compound<'w, 'b>, Fault> {
        self.writer.begin_object()?;
        Ok(Compound { writer: self.writer, is_object: true, is_wrapped })
    }

    /// Opens the object of one entry that stands for an enum's variant with data.
    fn wrap(self, variant: &str) -> std::result::Result<Self, Fault> {
        self.writer.begin_object()?;
        self.writer.key(variant)?;
        Ok(self)
    }
}

macro_rules! push_numbers {
    ($($name:ident: $number:ty),*) => {$(
        fn $name(self, value: $number) -> Done {
            self.number(value)
        }
    )*};
}

impl<'w, 'b> Serializer for Push<'w, 'b> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Compound<'w, 'b>;
    type SerializeTuple = Compound<'w, 'b>;
    type SerializeTupleStruct = Compound<'w, 'b>;
    type SerializeTupleVariant = Compound<'w, 'b>;
    type SerializeMap = Compound<'w, 'b>;
    type SerializeStruct = Compound<'w, 'b>;
    type SerializeStructVariant = Compound<'w, 'b>;

    push_numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64
    }

    fn serialize_bool(self, value: bool) -> Done {
        Ok(self.writer.bool(value)?)
    }

    fn serialize_char(self, value: char) -> Done {
        Ok(self.writer.string(value.encode_utf8(&mut [0; 4]))?)
    }

    fn serialize_str(self, value: &str) -> Done {
        Ok(self.writer.string(value)?)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        self.writer.begin_list()?;
        bytes.iter().try_for_each(|byte| self.writer.number(&Number::from(*byte)))?;
        Ok(self.writer.end_list()?)
    }

    fn serialize_none(self) -> Done {
        Ok(self.writer.null()?)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(self.writer.null()?)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(self.writer.null()?)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        Ok(self.writer.string(variant)?)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        let wrapped = self.wrap(variant)?;
        value.serialize(Push { writer: &mut *wrapped.writer })?;
        Ok(wrapped.writer.end_object()?)
    }

    fn serialize_seq(self, _: Option<usize>) -> std::result::Result<Self::SerializeSeq, Fault> {
        self.list(false)
    }

    fn serialize_tuple(self, _: usize) -> std::result::Result<Self::SerializeTuple, Fault> {
        self.list(false)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeTupleStruct, Fault> {
        self.list(false)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeTupleVariant, Fault> {
        self.wrap(variant)?.list(true)
    }

    fn serialize_map(self, _: Option<usize>) -> std::result::Result<Self::SerializeMap, Fault> {
        self.object(false)
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeStruct, Fault> {
        self.object(false)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeStructVariant, Fault> {
        self.wrap(variant)?.object(true)
    }
}

/// An open list or object.
struct Compound<'w, 'b> {
    writer: &'w mut TreeWriter<'b>,
    is_object: bool,
    /// It is the value of a variant's object, which ends with it.
    is_wrapped: bool,
}

impl Compound<'_, '_> {
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Push { writer: &mut *self.writer })
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        self.writer.key(key)?;
        self.value(value)
    }

    fn close(self) -> Done {
        if self.is_object {
            self.writer.end_object()?;
        } else {
            self.writer.end_list()?;
        }
        if self.is_wrapped {
            self.writer.end_object()?;
        }
        Ok(())
    }
}

macro_rules! compound_list {
    ($($kind:ident::$push:ident),*) => {$(
        impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = Fault;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.value(value)
            }

            fn end(self) -> Done {
                self.close()
            }
        }
    )*};
}

compound_list!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! compound_struct {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
                self.field(key, value)
            }

            fn end(self) -> Done {
                self.close()
            }
        }
    )*};
}

compound_struct!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        key.serialize(PushKey { writer: &mut *self.writer })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.value(value)
    }

    fn end(self) -> Done {
        self.close()
    }
}

/// Pushes the key of an entry: text, or an integer or boolean as text.
struct PushKey<'w, 'b> {
    writer: &'w mut TreeWriter<'b>,
}

impl PushKey<'_, '_> {
    fn text(self, key: impl Display) -> Done {
        Ok(self.writer.key(&key.to_string())?)
    }
}

fn no_key<T>() -> std::result::Result<T, Fault> {
    Err(Fault::new("a key of an object must be a string, an integer or a boolean"))
}

macro_rules! text_keys {
    ($($name:ident: $key:ty),*) => {$(
        fn $name(self, key: $key) -> Done {
            self.text(key)
        }
    )*};
}

macro_rules! no_keys {
    ($($name:ident($($argument:ty),*) -> $out:ty;)*) => {$(
        fn $name(self, $(_: $argument),*) -> std::result::Result<$out, Fault> {
            no_key()
        }
    )*};
}

impl Serializer for PushKey<'_, '_> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Impossible<(), Fault>;
    type SerializeTuple = Impossible<(), Fault>;
    type SerializeTupleStruct = Impossible<(), Fault>;
    type SerializeTupleVariant = Impossible<(), Fault>;
    type SerializeMap = Impossible<(), Fault>;
    type SerializeStruct = Impossible<(), Fault>;
    type SerializeStructVariant = Impossible<(), Fault>;

    text_keys! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    no_keys! {
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_str(self, key: &str) -> Done {
        Ok(self.writer.key(key)?)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        Ok(self.writer.key(variant)?)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, key: &T) -> Done {
        key.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Done {
        no_key()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Done {
        no_key()
    }
}

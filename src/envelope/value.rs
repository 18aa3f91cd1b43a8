//! The JSON value as a host builds and reads it.
use std::collections::BTreeMap;
use super::Number;
use super::tree::TreeWriter;
use crate::{Limits, Result};
/// Any JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Value {
    /// null
    #[default]
    Null,
    /// bool
    Bool(bool),
    /// number
    Number(Number),
    /// string
    String(String),
    /// list
    List(Vec<Value>),
    /// object
    Object(Object),
}
/// An object, keys in byte order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Object(BTreeMap<String, Value>);
impl Value {
    /// From JSON text.
    pub fn from_json(json: &[u8], limits: &Limits) -> Result<Self> { todo!() }
    /// From anything that serde can serialize.
    pub fn from_serialize(value: &(impl serde::Serialize + ?Sized)) -> Result<Self> { todo!() }
    /// Into anything that serde can deserialize, borrowing strings.
    pub fn deserialize<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T> { todo!() }
    /// Pushes the value to a tree.
    pub(crate) fn push(&self, writer: &mut TreeWriter<'_>) -> Result<()> { todo!() }
    /// The entry of an object.
    pub fn get(&self, key: &str) -> Option<&Value> { todo!() }
}
impl Object {
    /// New.
    pub fn new() -> Self { todo!() }
    /// Pushes the object to a tree.
    pub(crate) fn push(&self, writer: &mut TreeWriter<'_>) -> Result<()> { todo!() }
    /// The entry.
    pub fn get(&self, key: &str) -> Option<&Value> { todo!() }
    /// Sets an entry.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> { todo!() }
}

//! The binary tree.
use std::marker::PhantomData;
use super::address::ProjectHasher;
use super::{Number, Value};
use crate::{Limits, Result};

/// What kind of value a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind { /// null
    Null, /// bool
    Bool, /// number
    Number, /// string
    String, /// list
    List, /// object
    Object }

/// A value inside a stored tree, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueRef<'a> { bytes: &'a [u8] }

/// The entries of an object, in key order.
#[derive(Debug, Clone)]
pub struct ObjectIter<'a>(PhantomData<&'a u8>);
/// The elements of a list.
#[derive(Debug, Clone)]
pub struct ListIter<'a>(PhantomData<&'a u8>);
impl<'a> Iterator for ObjectIter<'a> { type Item = (&'a str, ValueRef<'a>); fn next(&mut self) -> Option<Self::Item> { todo!() } }
impl<'a> Iterator for ListIter<'a> { type Item = ValueRef<'a>; fn next(&mut self) -> Option<Self::Item> { todo!() } }

impl<'a> ValueRef<'a> {
    /// Over the bytes of one tree, checked or not.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self { Self { bytes } }
    /// The tree's bytes, which equality and hashes are taken over.
    pub(crate) const fn as_tree(&self) -> &'a [u8] { self.bytes }
    /// Kind
    pub fn kind(&self) -> Kind { todo!() }
    /// bool
    pub fn as_bool(&self) -> Option<bool> { todo!() }
    /// str
    pub fn as_str(&self) -> Option<&'a str> { todo!() }
    /// i64
    pub fn as_i64(&self) -> Option<i64> { todo!() }
    /// u64
    pub fn as_u64(&self) -> Option<u64> { todo!() }
    /// f64
    pub fn as_f64(&self) -> Option<f64> { todo!() }
    /// number
    pub fn number(&self) -> Option<Number> { todo!() }
    /// len
    pub fn len(&self) -> usize { todo!() }
    /// is_empty
    pub fn is_empty(&self) -> bool { todo!() }
    /// get
    pub fn get(&self, key: &str) -> Option<ValueRef<'a>> { todo!() }
    /// entries
    pub fn entries(&self) -> ObjectIter<'a> { todo!() }
    /// elements
    pub fn elements(&self) -> ListIter<'a> { todo!() }
    /// value
    pub fn to_value(&self) -> Value { todo!() }
    /// json
    pub fn write_json(&self, out: &mut Vec<u8>) { todo!() }
    /// Deserialize
    pub fn deserialize<T: serde::Deserialize<'a>>(&self) -> Result<T> { todo!() }
}

/// Checks that the bytes are one canonical tree.
pub(crate) fn check(bytes: &[u8]) -> Result<ValueRef<'_>> { todo!() }

/// Where a finished tree stands in its builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeSpan { start: usize, end: usize }
/// What a host may want to know of the trees built since `reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TreeNotes { pub(crate) address_key_dropped: bool }

/// Builds the trees of one envelope after another, without freeing.
#[derive(Debug)]
pub(crate) struct TreeBuilder { out: Vec<u8> }
impl TreeBuilder {
    pub(crate) fn new(limits: &Limits) -> Self { todo!() }
    /// Forgets the trees, notes and key count; keeps the memory.
    pub(crate) fn reset(&mut self) { todo!() }
    /// Starts a tree; `root` is the first word of the paths in errors.
    pub(crate) fn begin<'b>(&'b mut self, root: &'static str, scrub: Option<&'b ProjectHasher>) -> TreeWriter<'b> { todo!() }
    /// The bytes of a finished tree, valid until `reset`.
    pub(crate) fn tree(&self, span: TreeSpan) -> &[u8] { todo!() }
    pub(crate) fn notes(&self) -> TreeNotes { todo!() }
}
/// The push side of a tree under construction. Dropped without `finish`, the tree is forgotten.
pub(crate) struct TreeWriter<'b> { core: &'b mut TreeBuilder, scrub: Option<&'b ProjectHasher> }
impl TreeWriter<'_> {
    pub(crate) fn begin_object(&mut self) -> Result<()> { todo!() }
    pub(crate) fn key(&mut self, key: &str) -> Result<()> { todo!() }
    pub(crate) fn end_object(&mut self) -> Result<()> { todo!() }
    pub(crate) fn begin_list(&mut self) -> Result<()> { todo!() }
    pub(crate) fn end_list(&mut self) -> Result<()> { todo!() }
    pub(crate) fn null(&mut self) -> Result<()> { todo!() }
    pub(crate) fn bool(&mut self, value: bool) -> Result<()> { todo!() }
    pub(crate) fn number(&mut self, value: &Number) -> Result<()> { todo!() }
    pub(crate) fn number_text(&mut self, text: &str) -> Result<()> { todo!() }
    pub(crate) fn string(&mut self, value: &str) -> Result<()> { todo!() }
    pub(crate) fn value_ref(&mut self, value: ValueRef<'_>) -> Result<()> { todo!() }
    pub(crate) fn finish(self) -> Result<TreeSpan> { todo!() }
}

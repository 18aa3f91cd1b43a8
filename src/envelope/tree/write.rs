//! Tree to JSON text.

use super::layout;
use super::view::{Kind, ValueRef};
use crate::envelope::json::DEPTH_MAX;
use crate::envelope::json::write::write_string;

impl ValueRef<'_> {
    /// Appends the compact JSON text (RFC 8259): keys in byte order, numbers in their canonical form, the least
    /// escapes.
    ///
    /// # Examples
    ///
    /// ```
    /// use envelog::{Store, Uuid};
    ///
    /// let store = Store::in_memory()?;
    /// let (org, project) = (Uuid::from_u128(1), Uuid::from_u128(2));
    /// let shop = store.scope(org, project, "billing");
    /// let placed = shop.track("order.placed").property("currency", "EUR").property("amount", 4200.0).append()?;
    ///
    /// let view = store.project(project).view()?;
    /// let event = view.get(placed.position)?.expect("appended above");
    /// let mut json = Vec::new();
    /// event.properties().expect("given above").write_json(&mut json);
    /// assert_eq!(json, br#"{"amount":4200,"currency":"EUR"}"#);
    /// # Ok::<(), envelog::Error>(())
    /// ```
    pub fn write_json(&self, out: &mut Vec<u8>) {
        write_below(*self, out, DEPTH_MAX);
    }
}

fn write_below(value: ValueRef<'_>, out: &mut Vec<u8>, depth: usize) {
    let written = match value.kind() {
        Kind::Null => None,
        Kind::List | Kind::Object if depth == 0 => None,
        Kind::Bool => value.as_bool().map(|flag| {
            out.extend_from_slice(if flag { b"true" } else { b"false" });
        }),
        Kind::Number => {
            layout::number(value.as_tree(), &mut Vec::new()).map(|(parts, _)| parts.write_json(out))
        }
        Kind::String => value.as_str().map(|text| write_string(out, text)),
        Kind::List => {
            write_list(value, out, depth - 1);
            Some(())
        }
        Kind::Object => {
            write_object(value, out, depth - 1);
            Some(())
        }
    };
    if written.is_none() {
        out.extend_from_slice(b"null");
    }
}

fn write_list(list: ValueRef<'_>, out: &mut Vec<u8>, depth: usize) {
    out.push(b'[');
    for (index, element) in list.elements().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_below(element, out, depth);
    }
    out.push(b']');
}

fn write_object(object: ValueRef<'_>, out: &mut Vec<u8>, depth: usize) {
    out.push(b'{');
    for (index, (key, value)) in object.entries().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_below(value, out, depth);
    }
    out.push(b'}');
}

//! Foreign forms of events, in and out, and the envelope as a JSON Schema.
//!
//! - [`segment`] reads the calls of Segment's libraries, and of those that speak as they do.
//! - [`cloudevents`] reads and writes `CloudEvents` 1.0.
//! - [`ENVELOPE_SCHEMA`] is for producers in other languages, and for forms and gateways.
//!
//! All of it is pure: nothing is stored, hashed or looked up here. What is read becomes an [`Envelope`](crate::Envelope)
//! that holds addresses as they came, until [`Store::append`](crate::Store::append) or
//! [`Store::accept`](crate::Store::accept) takes it and holds it to every rule. Errors name fields and rules, and
//! never show a value.

pub mod cloudevents;
mod fields;
pub mod segment;

/// The envelope as a JSON Schema (draft 2020-12).
///
/// It takes what [`Store::append_json`](crate::Store::append_json) takes under the default limits and refuses what
/// that refuses, as far as a schema can tell; its `$comment` lists what it cannot.
///
/// # Examples
///
/// ```
/// use envelog::interop::ENVELOPE_SCHEMA;
///
/// let schema: serde_json::Value = serde_json::from_str(ENVELOPE_SCHEMA).unwrap();
/// let required = ["orgId", "projectId", "module", "eventType", "timestamp"];
/// assert_eq!(schema["required"], serde_json::json!(required));
/// ```
///
/// # The schema
///
/// ```json
#[doc = include_str!("envelope.schema.json")]
/// ```
pub const ENVELOPE_SCHEMA: &str = include_str!("envelope.schema.json");

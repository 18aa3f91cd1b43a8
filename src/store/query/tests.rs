//! Views and queries against a plain list of events.

mod lab;
mod model;
mod queries;
mod timelines;
mod views;

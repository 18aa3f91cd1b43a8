//! The store: everything below, composed.

mod event;
mod handle;
mod project;
mod query;
mod view;

pub use event::{Event, EventRef};
pub use project::Project;
pub use query::{
    Bucket, Condition, EventQuery, Events, Grouped, PageToken, Period, PropertyQuery, Sum, Timeline, TimelineEvents,
};
pub use view::{Activity, NameCount, View};

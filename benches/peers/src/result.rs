//! The results, as they are kept in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{Disk, Spent};

/// All that a run has measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Events of a filled store.
    pub events: u64,
    /// Rounds, each with every store.
    pub rounds: u32,
    /// What each store promises, by its name: not synced after a kill and a power loss, durable after them.
    pub promises: BTreeMap<String, [String; 4]>,
    /// What was measured, in the order in which it was.
    pub measured: Vec<Measured>,
}

/// What one process has measured.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// The round, from 0 on.
    #[serde(default)]
    pub round: u32,
    /// The store.
    pub peer: String,
    /// The task.
    pub task: String,
    /// What the time was spent on: events, calls or visits.
    pub units: u64,
    /// The time.
    pub spent: Spent,
    /// Other figures, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
    /// The size of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// What the store answered; all stores have to give the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<[u64; 2]>,
}

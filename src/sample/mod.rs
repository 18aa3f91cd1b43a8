//! The sample module.

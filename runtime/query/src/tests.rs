//! Tests over a real volume: a catalog, files written by storage-tablet, plans that travel to an engine as bytes.

mod access;
mod caching;
mod compaction;
mod deletes;
mod dialect;
mod documented;
mod functions;
mod gathering;
mod house;
mod inserts;
mod jobs;
mod kinds;
mod limits;
mod membership;
mod models;
mod nested;
mod percentiles;
mod planning;
mod queries;
mod schemas;
mod sketches;
mod skipping;
mod stages;

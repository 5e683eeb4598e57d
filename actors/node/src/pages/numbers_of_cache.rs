//! What operators watch of the caches of a compute node.

use actors_compute::CacheCounts;
use runtime_http::prometheus::Family;
use runtime_query::FooterCounts;

const MEMORY: &[(&str, &str)] = &[("tier", "memory")];
const DISK: &[(&str, &str)] = &[("tier", "disk")];

/// Footers and page indexes of data files.
pub(super) fn footers(counts: FooterCounts) -> Vec<Family> {
    let counter = |name: &str, help: &str, value: u64| Family::counter(name, help).of(value as f64);
    vec![
        counter("starkeep_cn_footer_cache_hits_total", "Footers of data files that were in memory.", counts.hits),
        counter("starkeep_cn_footer_cache_misses_total", "Footers of data files that were read.", counts.misses),
    ]
}

/// Blocks of data files.
pub(super) fn blocks(counts: &CacheCounts) -> Vec<Family> {
    let counter = |name: &str, help: &str, value: u64| Family::counter(name, help).of(value as f64);
    let tiers = |family: Family, memory: u64, disk: u64| family.with(MEMORY, memory as f64).with(DISK, disk as f64);
    vec![
        tiers(
            Family::counter("starkeep_cn_data_cache_hits_total", "Blocks of data files that were near."),
            counts.memory_hits,
            counts.disk_hits,
        ),
        tiers(
            Family::counter("starkeep_cn_data_cache_hit_bytes_total", "Bytes of these."),
            counts.memory_hit_bytes,
            counts.disk_hit_bytes,
        ),
        counter("starkeep_cn_data_cache_misses_total", "Blocks that were not.", counts.misses),
        counter(
            "starkeep_cn_data_cache_shared_total",
            "Blocks that were on their way for somebody else already.",
            counts.shared,
        ),
        counter(
            "starkeep_cn_data_cache_read_ahead_total",
            "Blocks that were fetched before they were asked for.",
            counts.read_ahead,
        ),
        counter(
            "starkeep_cn_data_cache_store_requests_total",
            "Requests of the cache to object stores.",
            counts.store_requests,
        ),
        counter("starkeep_cn_data_cache_store_bytes_total", "Bytes that they brought.", counts.store_bytes),
        counter(
            "starkeep_cn_data_cache_passed_reads_total",
            "Reads that went past the cache: compaction, and tables that are not kept.",
            counts.passed_reads,
        ),
        counter("starkeep_cn_data_cache_bad_blocks_total", "Blocks on disk that were damaged.", counts.bad_blocks),
        counter(
            "starkeep_cn_data_cache_unwritten_blocks_total",
            "Blocks that the disk was too slow, or too full, for.",
            counts.unwritten_blocks,
        ),
        tiers(
            Family::gauge("starkeep_cn_data_cache_used_bytes", "Bytes that are near."),
            counts.memory_used_bytes,
            counts.disk_used_bytes,
        ),
        tiers(
            Family::gauge("starkeep_cn_data_cache_capacity_bytes", "Bytes that may be."),
            counts.memory_capacity_bytes,
            counts.disk_capacity_bytes,
        ),
    ]
}

//! Which node reads which files of a scan. A file prefers the node that a hash of both chooses (rendezvous hashing), so
//! that most files are read where they are cached, also when nodes come and go; but no node is given much more than the
//! others have.

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DesiredTaskCountHandler, DistributedLeafExec,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, ScaleUpLeafNodeHandler,
};

/// How much more than its even share a node may be given because it prefers the files: a quarter.
const MORE: u64 = 4;

fn scan_of(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()
}

/// Bytes of a file that are read.
fn bytes_of(file: &PartitionedFile) -> u64 {
    file.range.as_ref().map_or(file.object_meta.size, |range| range.end.abs_diff(range.start))
}

/// Bytes that the scans of a plan read.
pub(crate) fn scanned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = scan_of(plan).map_or(0, |scan| scan.file_groups.iter().flat_map(FileGroup::iter).map(bytes_of).sum());
    plan.children().into_iter().fold(own, |bytes, child| bytes.saturating_add(scanned(child)))
}

/// A scan is worth a node for each so many bytes, up to as many as there are. One that is read by a single thread is left
/// to one node: what stands above it may count on having all rows before it, with nothing between that would gather them.
pub(super) fn desired(workers: usize, bytes: u64) -> impl DesiredTaskCountHandler {
    move |event: DesiredTaskCountEvent<'_>| {
        if scan_of(event.plan)?.file_groups.len() < 2 {
            return Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
        }
        let wanted = scanned(event.plan).div_ceil(bytes.max(1));
        let tasks = usize::try_from(wanted).unwrap_or(usize::MAX).clamp(1, workers.max(1));
        Some(Ok(DesiredTaskCountEventResponse::desired(tasks)))
    }
}

/// The files of a scan for each of its tasks, which run on the nodes in their order.
pub(super) fn spread(workers: Vec<String>) -> impl ScaleUpLeafNodeHandler {
    move |event: ScaleUpLeafNodeEvent<'_>| {
        let scan = scan_of(event.plan)?;
        let tasks = workers.get(..event.task_count).unwrap_or(&workers);
        let groups = scan.file_groups.len().max(1);
        let files = scan.file_groups.iter().flat_map(FileGroup::iter).cloned().collect();
        let variants = shares(files, tasks).into_iter().map(|files| {
            let mut config = scan.clone();
            config.file_groups = grouped(files, groups);
            DataSourceExec::from_data_source(config) as Arc<dyn ExecutionPlan>
        });
        let leaf = DistributedLeafExec::try_new(Arc::clone(event.plan), variants);
        Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
    }
}

/// Each node's files.
fn shares(mut files: Vec<PartitionedFile>, workers: &[String]) -> Vec<Vec<PartitionedFile>> {
    let all: u64 = files.iter().map(bytes_of).sum();
    let even = all / workers.len().max(1) as u64;
    let limit = even + even / MORE;
    files.sort_by(|a, b| (Reverse(bytes_of(a)), place(a)).cmp(&(Reverse(bytes_of(b)), place(b))));
    let mut shares: Vec<(u64, Vec<PartitionedFile>)> = vec![(0, Vec::new()); workers.len()];
    for file in files {
        let bytes = bytes_of(&file);
        let roomy = (0..shares.len()).filter(|at| shares[*at].0 + bytes <= limit);
        let preferred = roomy.max_by_key(|at| weight(&workers[*at], &file));
        let least = || (0..shares.len()).min_by_key(|at| shares[*at].0);
        if let Some(share) = preferred.or_else(least).and_then(|at| shares.get_mut(at)) {
            share.0 += bytes;
            share.1.push(file);
        }
    }
    shares.into_iter().map(|(_, files)| files).collect()
}

fn place(file: &PartitionedFile) -> (&str, i64) {
    (file.object_meta.location.as_ref(), file.range.as_ref().map_or(0, |range| range.start))
}

/// How much a node is preferred for a file.
fn weight(worker: &str, file: &PartitionedFile) -> u64 {
    let mut hasher = DefaultHasher::new();
    (worker, file.object_meta.location.as_ref()).hash(&mut hasher);
    hasher.finish()
}

/// Files in so many groups of about equal bytes. Ranges of one file follow each other, which reads ahead well.
fn grouped(files: Vec<PartitionedFile>, count: usize) -> Vec<FileGroup> {
    let mut groups = vec![(0_u64, Vec::new()); count];
    for file in files {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += bytes_of(&file);
            group.push(file);
        }
    }
    let sorted = |(_, mut files): (u64, Vec<PartitionedFile>)| {
        files.sort_by(|a, b| place(a).cmp(&place(b)));
        FileGroup::new(files)
    };
    groups.into_iter().map(sorted).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn files(count: usize, size: u64) -> Vec<PartitionedFile> {
        (0..count).map(|at| PartitionedFile::new(format!("t/f{at}.parquet"), size)).collect()
    }

    fn workers(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("10.0.0.{at}:9060")).collect()
    }

    fn names(share: &[PartitionedFile]) -> BTreeSet<String> {
        share.iter().map(|file| file.object_meta.location.to_string()).collect()
    }

    #[test]
    fn each_file_is_read_once_and_no_node_has_much_more_than_the_others() {
        let shares = shares(files(100, 10), &workers(3));
        let all: BTreeSet<String> = shares.iter().flat_map(|share| names(share)).collect();
        assert_eq!((all.len(), shares.iter().map(Vec::len).sum::<usize>()), (100, 100));
        assert!(shares.iter().all(|share| share.len() <= 42), "{:?}", shares.iter().map(Vec::len).collect::<Vec<_>>());
    }

    #[test]
    fn a_few_large_files_go_to_different_nodes() {
        let shares = shares(files(3, 1 << 30), &workers(3));
        assert!(shares.iter().all(|share| share.len() == 1));
        assert!(super::shares(Vec::new(), &workers(2)).iter().all(Vec::is_empty));
    }

    #[test]
    fn most_files_stay_where_they_were_when_a_node_goes() {
        let (before, after) = (shares(files(300, 10), &workers(3)), shares(files(300, 10), &workers(2)));
        let stayed: usize = before.iter().zip(&after).map(|(b, a)| names(b).intersection(&names(a)).count()).sum();
        assert!(stayed >= 150, "of the 200 that could stay, {stayed} did");
    }

    #[test]
    fn groups_are_as_many_as_asked_for_and_even() {
        let groups = grouped(files(10, 7), 4);
        let sizes: Vec<usize> = groups.iter().map(FileGroup::len).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (4, 10));
        assert!(sizes.iter().all(|size| (2..=3).contains(size)), "{sizes:?}");
        assert_eq!(grouped(Vec::new(), 2).len(), 2);
    }
}

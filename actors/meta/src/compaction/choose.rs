//! What to compact: a pure function over the catalog. Size-tiered: files are merged with neighbours of about their size, so
//! that each byte is written anew once for each time that its file grows fourfold, and few files of each size are left. A file of
//! which half of the rows are gone is written anew by itself.

use std::ops::Range;

use storage_catalog::Catalog;
use storage_model::{FileId, Partition, PartitionId, TableId};

/// Files up to this are all the same to a scan.
const SMALL_BYTES: u64 = 256 << 10;
/// Each tier is this many times the one below.
const TIER: u64 = 8;
/// Files above this are large enough.
const LARGE_BYTES: u64 = 128 << 20;
/// What one compaction reads at most: its result is held in memory, encoded.
const MOST_BYTES: u64 = 256 << 20;
/// Files of one compaction.
const MOST_FILES: usize = 512;
/// Rowsets of one compaction: they travel in a message.
const MOST_ROWSETS: usize = 32_768;
/// Fewer files than this are not worth it, unless the configuration asks for less.
const FAN_IN: usize = 8;

/// Neighbouring files of a partition that should be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The table.
    pub table: TableId,
    /// The partition.
    pub partition: PartitionId,
    /// In their order.
    pub files: Vec<FileId>,
    /// How many files the partition has.
    pub score: usize,
}

impl Candidate {
    /// After failures less is tried, and each time elsewhere: it may be a few files that cannot be merged, as when the sums of
    /// a key do not fit its column.
    pub fn narrow(&mut self, failures: u32) {
        let all = self.files.len();
        let some = (all >> failures.min(16)).max(2);
        if failures == 0 || some >= all {
            return;
        }
        let start = failures as usize * some % (all - some + 1);
        self.files = self.files[start..start + some].to_vec();
    }
}

/// The partitions of live tables that have so many files or more and some that should be one, the worst first. `free`: whether
/// a partition may be touched.
pub fn candidates(catalog: &Catalog, min_files: usize, free: impl Fn(PartitionId) -> bool) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = catalog
        .tables()
        // A job writes their rows anew, and would begin again.
        .filter(|table| catalog.alter_job_of(table.id).is_none())
        .flat_map(|table| catalog.partitions_of(table))
        .filter(|partition| may_be_worth(partition, min_files) && free(partition.id))
        .filter_map(|partition| candidate(catalog, partition, min_files))
        .collect();
    found.sort_by_key(|candidate| (std::cmp::Reverse(candidate.score), candidate.partition));
    found
}

/// What is left to do of a partition that somebody asks for: as many neighbours as one compaction takes, or a file of which rows are
/// gone. None: nothing, or it is no partition of a live table any more.
pub fn asked(catalog: &Catalog, id: PartitionId) -> Option<Candidate> {
    let partition = catalog.partition(id)?;
    catalog.table(partition.table).filter(|table| table.partitions.contains(&id))?;
    let files = files_of(catalog, partition);
    let several = stretches(&files, u64::MAX).into_iter().filter(|stretch| stretch.len() > 1);
    let longest = several.max_by_key(|stretch| (stretch.len(), std::cmp::Reverse(stretch.start)));
    let chosen = longest.or_else(|| files.iter().position(|file| file.rows.1 > 0).map(|at| at..at + 1))?;
    let files_chosen = files[chosen].iter().map(|file| file.id).collect();
    Some(Candidate { table: partition.table, partition: id, files: files_chosen, score: files.len() })
}

/// Each file has a rowset at least.
fn may_be_worth(partition: &Partition, min_files: usize) -> bool {
    partition.rowsets.len() >= min_files.max(2) || partition.rowsets.iter().any(|rowset| rowset.deletes.is_some())
}

fn candidate(catalog: &Catalog, partition: &Partition, min_files: usize) -> Option<Candidate> {
    let files = files_of(catalog, partition);
    let several = (files.len() >= min_files).then(|| choose(&files, FAN_IN.min(min_files.max(2)))).flatten();
    let chosen = several.or_else(|| files.iter().position(Size::is_half_gone).map(|at| at..at + 1))?;
    let files_chosen = files[chosen].iter().map(|file| file.id).collect();
    Some(Candidate { table: partition.table, partition: partition.id, files: files_chosen, score: files.len() })
}

/// A file as a partition has it.
#[derive(Clone, Copy, Debug)]
struct Size {
    id: FileId,
    bytes: u64,
    rowsets: usize,
    /// Rows that the partition has of it, and how many of these are gone.
    rows: (u64, u64),
}

impl Size {
    /// Whether it is worth while to get rid of what is gone. Small files are merged with others soon anyway.
    fn is_half_gone(&self) -> bool {
        self.bytes > SMALL_BYTES && self.rows.1 * 2 >= self.rows.0
    }
}

/// In the order of the rowsets; those of a file stand together.
fn files_of(catalog: &Catalog, partition: &Partition) -> Vec<Size> {
    let mut files: Vec<Size> = Vec::new();
    for rowset in &partition.rowsets {
        if files.last().is_none_or(|last| last.id != rowset.file) {
            let bytes = catalog.file(rowset.file).map_or(0, |file| file.size);
            files.push(Size { id: rowset.file, bytes, rowsets: 0, rows: (0, 0) });
        }
        if let Some(last) = files.last_mut() {
            last.rowsets += 1;
            last.rows = (last.rows.0 + rowset.rows, last.rows.1 + rowset.deleted_rows());
        }
    }
    files
}

/// The cheapest stretch that is worth it; of those the longest.
fn choose(files: &[Size], fan_in: usize) -> Option<Range<usize>> {
    let mut bound = SMALL_BYTES;
    while bound <= LARGE_BYTES {
        let mut stretches = stretches(files, bound);
        stretches.retain(|stretch| stretch.len() >= fan_in && is_worth(&files[stretch.clone()], bound));
        if let Some(longest) =
            stretches.into_iter().max_by_key(|stretch| (stretch.len(), std::cmp::Reverse(stretch.start)))
        {
            return Some(longest);
        }
        bound *= TIER;
    }
    None
}

/// Neighbours none of which is above the bound, as many together as one compaction takes.
fn stretches(files: &[Size], bound: u64) -> Vec<Range<usize>> {
    let mut stretches = Vec::new();
    let (mut start, mut bytes, mut rowsets) = (0, 0, 0);
    for (at, file) in files.iter().enumerate() {
        let is_full =
            bytes + file.bytes > MOST_BYTES || rowsets + file.rowsets > MOST_ROWSETS || at - start >= MOST_FILES;
        if file.bytes > bound || is_full {
            stretches.push(start..at);
            (start, bytes, rowsets) = (if file.bytes > bound { at + 1 } else { at }, 0, 0);
        }
        if file.bytes <= bound {
            bytes += file.bytes;
            rowsets += file.rowsets;
        }
    }
    stretches.push(start..files.len());
    stretches
}

fn is_worth(files: &[Size], bound: u64) -> bool {
    let largest = files.iter().map(|file| file.bytes).max().unwrap_or(0);
    let all: u64 = files.iter().map(|file| file.bytes).sum();
    bound == SMALL_BYTES || all >= 4 * largest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(bytes: &[u64]) -> Vec<Size> {
        let file = |(id, bytes): (u64, &u64)| Size { id: FileId(id), bytes: *bytes, rowsets: 1, rows: (1, 0) };
        (0..).zip(bytes).map(file).collect()
    }

    fn eight(files: &[Size]) -> Option<Range<usize>> {
        choose(files, FAN_IN)
    }

    const KB: u64 = 1 << 10;
    const MB: u64 = 1 << 20;

    #[test]
    fn neighbours_of_about_one_size_are_merged_and_the_smallest_first() {
        let small = [KB; 8];
        assert_eq!(eight(&files(&small)), Some(0..8));
        assert_eq!(eight(&files(&small[..7])), None);
        // A large one in front is left alone; one in between keeps the two sides apart.
        assert_eq!(eight(&files(&[&[20 * MB][..], &small].concat())), Some(1..9));
        assert_eq!(eight(&files(&[&small[..4], &[20 * MB], &small[..4]].concat())), None);
        assert_eq!(eight(&files(&[&[MB; 8][..], &small].concat())), Some(8..16));
        assert_eq!(eight(&files(&[MB; 8])), Some(0..8));
        // Seven small ones do not make a large one be written anew.
        assert_eq!(eight(&files(&[&[MB][..], &small[..7]].concat())), None);
        assert_eq!(eight(&files(&[200 * MB; 20])), None);
    }

    #[test]
    fn a_file_of_which_half_is_gone_is_worth_it_if_it_is_large() {
        let of = |bytes, rows| Size { id: FileId(0), bytes, rowsets: 1, rows };
        assert!(of(MB, (10, 5)).is_half_gone() && of(MB, (10, 9)).is_half_gone());
        assert!(!of(MB, (10, 4)).is_half_gone() && !of(MB, (10, 0)).is_half_gone() && !of(KB, (10, 9)).is_half_gone());
    }

    #[test]
    fn after_failures_less_is_tried_and_elsewhere() {
        let all: Vec<FileId> = (0..12).map(FileId).collect();
        let narrowed = |failures| {
            let (table, partition) = (TableId(1), PartitionId(2));
            let mut candidate = Candidate { table, partition, files: all.clone(), score: 12 };
            candidate.narrow(failures);
            candidate.files.iter().map(|file| file.0).collect::<Vec<_>>()
        };
        assert_eq!(narrowed(0).len(), 12);
        assert_eq!((narrowed(1).len(), narrowed(2).len(), narrowed(9).len()), (6, 3, 2));
        assert!((1..40).all(|n| narrowed(n).windows(2).all(|pair| pair[1] == pair[0] + 1)), "neighbours");
        let tried: std::collections::BTreeSet<u64> = (3..40).flat_map(narrowed).collect();
        assert_eq!(tried.len(), 12, "all of them have their turn");
    }

    #[test]
    fn one_compaction_takes_no_more_than_it_can_hold() {
        assert_eq!(eight(&files(&[100 * MB; 20])), None, "two of them are no eight");
        assert_eq!(eight(&files(&[30 * MB; 20])), Some(0..8));
        assert_eq!(eight(&files(&vec![KB; 2000])), Some(0..MOST_FILES));
        let wide = Size { id: FileId(0), bytes: KB, rowsets: 4000, rows: (1, 0) };
        assert_eq!(eight(&[wide; 20]), Some(0..8));
    }

    /// One more small file at a time, each worthwhile stretch made one file: how many there are, and how much was written.
    #[test]
    fn a_storm_of_small_files_leaves_few_and_writes_little() {
        let (mut sizes, mut written, mut most) = (Vec::new(), 0_u64, 0);
        let total = 20_000;
        for _ in 0..total {
            sizes.push(10 * KB);
            while let Some(chosen) = eight(&files(&sizes)) {
                let sum: u64 = sizes[chosen.clone()].iter().sum();
                written += sum;
                sizes.splice(chosen, [sum]);
            }
            most = most.max(sizes.len());
        }
        assert_eq!(sizes.iter().sum::<u64>(), total * 10 * KB);
        assert!(most <= 40, "{most} files");
        assert!(written <= 8 * total * 10 * KB, "each byte was written {} times", written / (total * 10 * KB));
    }
}

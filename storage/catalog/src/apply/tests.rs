//! The kit of these tests: a catalog under a clock, commands that must be taken, and commands that must be refused and
//! then leave nothing behind.

mod access;
mod alter;
mod borrow;
mod collect;
mod columns;
mod compact;
mod databases;
mod image;
mod loads;
mod nodes;
mod once;
mod partitions;
mod rebase;
mod recover;
mod renames;
mod replaces;
mod restore_table;
mod restored;
mod retention;
mod snapshots;
mod statistics;
mod supersede;
mod tables;
mod updates;
mod views;
mod volumes;

use std::collections::BTreeMap;

use storage_model::file::WrittenRun;
use storage_model::snapshot::JobEvent;
use storage_model::{
    Bound, ClusterId, Column, ColumnId, DataType, Distribution, Epoch, FileId, Incarnation, JobId, KeyModel, Now,
    PartitionId, PartitionKey, PartitionRange, Partitioning, RetentionChange, Revision, ServiceId, SnapshotKind,
    Superseded, TableId, TxnId, UnixMillis, Uptime, Value, VolumeId, VolumeType, WrittenFile,
};

use crate::catalog::{Catalog, ClusterIdentity, Header};
use crate::command::{
    Command, Envelope, Outcome, PartitionDraft, Rejection, ReplacedPartition, TableDraft, TransactionLoad, VolumeDraft,
};
use crate::{image as images, invariant};

const START: u64 = 1_739_857_978_000;
const MINUTE: u64 = 60_000;

struct Kit {
    catalog: Catalog,
    clock: u64,
}

fn identity() -> ClusterIdentity {
    ClusterIdentity {
        cluster_id: ClusterId(77),
        token: "token".to_owned(),
        service_id: ServiceId("3f2b6c9e".to_owned()),
        incarnation: Incarnation("0123456789abcdef0123456789abcdef".to_owned()),
        epoch: Epoch(1),
    }
}

fn volume_draft(name: &str, location: &str) -> VolumeDraft {
    VolumeDraft {
        name: name.to_owned(),
        volume_type: VolumeType::Local,
        location: location.to_owned(),
        comment: String::new(),
        enabled: true,
        properties: BTreeMap::new(),
    }
}

fn at(n: i128) -> Bound {
    Bound::At(vec![Value::Integer(n)])
}

fn part(name: &str, lower: Bound, upper: Bound) -> PartitionDraft {
    PartitionDraft { name: name.to_owned(), range: PartitionRange::between(lower, upper), buckets: 2 }
}

fn column(name: &str) -> Column {
    let (name, comment) = (name.to_owned(), String::new());
    Column {
        id: ColumnId(0),
        name,
        data_type: DataType::Int,
        nullable: true,
        key: true,
        default: None,
        comment,
        initial: None,
        aggregation: None,
    }
}

/// A table by ranges of its first column: `low` is everything below 10, `mid` is `[10, 20)`.
fn ranged(name: &str) -> TableDraft {
    TableDraft {
        name: name.to_owned(),
        columns: vec![column("k"), column("v")],
        model: KeyModel::Duplicate,
        partitioning: Partitioning::Range { columns: vec![ColumnId(1)] },
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        buckets_given: None,
        volume: None,
        comment: String::new(),
        properties: BTreeMap::new(),
        partitions: vec![part("low", Bound::Min, at(10)), part("mid", at(10), at(20))],
        sort_key: Vec::new(),
        indexes: Vec::new(),
    }
}

/// A table of one partition.
fn plain(name: &str) -> TableDraft {
    let everything = PartitionRange::everything();
    let partitions = vec![PartitionDraft { name: name.to_owned(), range: everything, buckets: 1 }];
    TableDraft { partitioning: Partitioning::Unpartitioned, partitions, ..ranged(name) }
}

fn create_table(draft: TableDraft) -> Command {
    Command::CreateTable { database: "shop".to_owned(), draft, if_not_exists: false }
}

fn drop_table(table: &str, force: bool) -> Command {
    Command::DropTable { database: "shop".to_owned(), table: table.to_owned(), if_exists: false, force }
}

fn truncate(table: &str, partitions: &[&str]) -> Command {
    let partitions = partitions.iter().map(|p| (*p).to_owned()).collect();
    Command::TruncateTable { database: "shop".to_owned(), table: table.to_owned(), partitions }
}

impl Kit {
    /// Nothing but an identity.
    fn empty() -> Kit {
        Kit { catalog: Catalog::genesis(identity(), UnixMillis(START)), clock: START }
    }

    /// A default volume, a database `shop`, a table `orders` by ranges and a table `notes`.
    fn new() -> Kit {
        let mut kit = Kit::empty();
        kit.ok(Command::CreateVolume { draft: volume_draft("main", "file:///main"), if_not_exists: false });
        kit.ok(Command::SetDefaultVolume { name: "main".to_owned() });
        kit.ok(Command::CreateDatabase { name: "shop".to_owned(), volume: None, if_not_exists: false });
        kit.ok(create_table(ranged("orders")));
        kit.ok(create_table(plain("notes")));
        kit
    }

    fn apply(&mut self, command: Command) -> Result<Outcome, Rejection> {
        self.clock += 1000;
        let before = self.catalog.revision();
        let reply = self.catalog.apply(&Envelope { proposed_at: Now::at(self.clock), command });
        assert_eq!(self.catalog.revision(), before.next(), "every command is one revision, whatever the reply");
        assert_eq!(self.catalog.header.clock, UnixMillis(self.clock));
        invariant::check(&self.catalog).unwrap();
        reply
    }

    fn ok(&mut self, command: Command) -> Outcome {
        let name = command.name();
        self.apply(command).unwrap_or_else(|e| panic!("{name} was refused: {e}"))
    }

    /// The command is refused, and nothing but the revision and the clocks has moved.
    fn refused(&mut self, command: Command) -> Rejection {
        let before = self.catalog.clone();
        let name = command.name();
        let Err(rejection) = self.apply(command) else { panic!("{name} was taken") };
        let mut after = self.catalog.clone();
        let Header { revision, clock, uptime, .. } = before.header;
        (after.header.revision, after.header.clock, after.header.uptime) = (revision, clock, uptime);
        assert_eq!(images::to_bytes(&after), images::to_bytes(&before), "{name} was refused and left something");
        assert_eq!(after.removed, before.removed);
        assert_eq!(after.label_times, before.label_times);
        assert_eq!(after.table_names, before.table_names);
        assert_eq!(after.database_names, before.database_names);
        rejection
    }

    fn table(&self, name: &str) -> TableId {
        let shop = self.catalog.database_by_name("shop").unwrap().id;
        self.catalog.table_by_name(shop, name).unwrap_or_else(|| panic!("no table {name}")).id
    }

    fn partitions(&self, table: &str) -> Vec<PartitionId> {
        self.catalog.table(self.table(table)).unwrap().partitions.clone()
    }

    fn volume(&self, name: &str) -> VolumeId {
        self.catalog.volume_by_name(name).unwrap().id
    }

    fn written(&self, table: &str, partition: usize, object: &str) -> WrittenFile {
        let run =
            |bucket| WrittenRun { bucket, first_row_group: 0, row_groups: 1, start: 4, end: 14, rows: 5, index: None };
        WrittenFile {
            partition: self.partitions(table)[partition],
            volume: self.volume("main"),
            object: object.to_owned(),
            size: 100,
            sha256: "aa".repeat(32),
            runs: vec![run(0), run(1)],
            statistics: Vec::new(),
        }
    }

    fn commit(&self, table: &str, label: Option<&str>, files: Vec<WrittenFile>) -> Command {
        Command::CommitLoad {
            txn: TxnId(1),
            table: self.table(table),
            label: label.map(str::to_owned),
            files,
            superseded: Superseded::default(),
        }
    }

    /// All rows of these partitions give way to the files. `base`: the version that they must have.
    fn replace(&self, table: &str, partitions: &[(usize, Option<u64>)], files: Vec<WrittenFile>) -> Command {
        let all = self.partitions(table);
        let replaced = |(at, base): &(usize, Option<u64>)| ReplacedPartition { partition: all[*at], base: *base };
        let partitions = partitions.iter().map(replaced).collect();
        Command::ReplaceRows {
            txn: TxnId(2),
            table: self.table(table),
            label: None,
            partitions,
            files,
            superseded: Superseded::default(),
        }
    }

    /// Files of a partition give way to others with the same rows.
    fn compact(&self, table: &str, partition: usize, inputs: &[FileId], files: Vec<WrittenFile>) -> Command {
        let (table, partition) = (self.table(table), self.partitions(table)[partition]);
        Command::CompactPartition {
            txn: TxnId(3),
            table,
            partition,
            inputs: inputs.to_vec(),
            files,
            superseded: Superseded::default(),
            seen: Vec::new(),
        }
    }

    /// Loads one file of ten rows in two runs; the file.
    fn load(&mut self, table: &str, partition: usize, object: &str) -> FileId {
        let file = self.written(table, partition, object);
        let command = self.commit(table, None, vec![file]);
        assert_eq!(self.ok(command), Outcome::Committed { rows: 10 });
        self.catalog.files().find(|f| f.object == object).unwrap().id
    }

    fn snapshots_on(&mut self) {
        self.ok(Command::EnableSnapshots {
            volume: None,
            interval_seconds: None,
            retention: RetentionChange::default(),
        });
    }

    fn begin(&mut self, name: &str) -> JobId {
        let Outcome::Job(job) = self.ok(self.begin_command(name, SnapshotKind::Automated)) else { panic!() };
        job
    }

    fn begin_command(&self, name: &str, kind: SnapshotKind) -> Command {
        let (name, comment, volume) = (name.to_owned(), String::new(), self.volume("main"));
        Command::BeginSnapshot { kind, name, volume, comment, max_history: 100 }
    }

    fn event(job: JobId, event: JobEvent) -> Command {
        Command::SnapshotEvent { job, event, detail: String::new() }
    }

    /// The revision of the cut.
    fn cut(&mut self, job: JobId) -> Revision {
        self.ok(Kit::event(job, JobEvent::Cut));
        self.catalog.revision()
    }

    fn uploaded(cut: Revision) -> JobEvent {
        JobEvent::Uploaded { cut, sha256: "bb".repeat(32), bytes: 4096 }
    }

    /// A whole snapshot; its job and its cut.
    fn snapshot(&mut self, name: &str) -> (JobId, Revision) {
        let job = self.begin(name);
        let cut = self.cut(job);
        self.ok(Kit::event(job, Kit::uploaded(cut)));
        (job, cut)
    }

    /// Condemns what can be condemned with no grace and no readers.
    fn condemn(&mut self, files: Vec<FileId>) -> Vec<FileId> {
        let oldest_read = self.catalog.revision().next();
        let Outcome::Condemned(files) = self.ok(Command::Condemn { files, oldest_read, grace_millis: 0 }) else {
            panic!()
        };
        files
    }
}

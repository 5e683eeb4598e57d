//! What the catalog asks the coordinator to do, step by step over a real catalog.

use std::collections::BTreeMap;

use storage_catalog::{ClusterIdentity, Envelope, PartitionDraft, Rebase, TableDraft, VolumeDraft, rebase};
use storage_model::file::WrittenRun;
use storage_model::snapshot::JobEvent;
use storage_model::{
    ClusterId, Column, ColumnId, DataType, Distribution, Epoch, Frontend, FrontendRole, Incarnation, KeyModel, Loan,
    NodeId, Now, PartitionRange, Partitioning, Revision, ServiceId, SnapshotKind, StorageVolume, Superseded, TableId,
    TxnId, UnixMillis, VolumeType, WrittenFile,
};

use super::*;

struct House {
    catalog: Catalog,
    now: u64,
    loads: u64,
}

impl House {
    fn new() -> House {
        let identity = ClusterIdentity {
            cluster_id: ClusterId(7),
            token: "t".into(),
            service_id: ServiceId("service".into()),
            incarnation: Incarnation("1".repeat(32)),
            epoch: Epoch(1),
        };
        let mut house = House { catalog: Catalog::genesis(identity, UnixMillis(1_000)), now: 1_000, loads: 0 };
        let draft = VolumeDraft {
            name: "builtin_storage_volume".into(),
            volume_type: VolumeType::Local,
            location: "file:///x".into(),
            comment: String::new(),
            enabled: true,
            properties: BTreeMap::new(),
        };
        house.apply(Command::EnsureBuiltinVolume { draft });
        house.apply(Command::CreateDatabase { name: "d".into(), volume: None, if_not_exists: false });
        house
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.catalog.apply(&Envelope { proposed_at: Now::at(self.now), command }).unwrap()
    }

    fn table(&mut self) -> TableId {
        let column = Column {
            id: ColumnId(1),
            name: "a".into(),
            data_type: DataType::Int,
            nullable: true,
            key: true,
            default: None,
            comment: String::new(),
            initial: None,
            aggregation: None,
        };
        let partition = PartitionDraft { name: "t".into(), range: PartitionRange::everything(), buckets: 1 };
        let draft = TableDraft {
            name: "t".into(),
            columns: vec![column],
            model: KeyModel::Duplicate,
            partitioning: Partitioning::Unpartitioned,
            distribution: Distribution::Random,
            buckets_given: None,
            volume: None,
            comment: String::new(),
            properties: BTreeMap::new(),
            partitions: vec![partition],
            sort_key: Vec::new(),
            indexes: Vec::new(),
        };
        match self.apply(Command::CreateTable { database: "d".into(), draft, if_not_exists: false }) {
            Outcome::Table(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn load(&mut self, table: TableId) -> FileId {
        self.loads += 1;
        let partition = self.catalog.table(table).unwrap().partitions[0];
        let volume = self.catalog.volume_by_name("builtin_storage_volume").unwrap().id;
        let run = WrittenRun { bucket: 0, first_row_group: 0, row_groups: 1, start: 4, end: 10, rows: 5, index: None };
        let object = format!("object{}", self.loads);
        let file = WrittenFile {
            partition,
            volume,
            object,
            size: 10,
            sha256: "ab".repeat(32),
            runs: vec![run],
            statistics: Vec::new(),
        };
        self.apply(Command::CommitLoad {
            txn: TxnId(self.loads),
            table,
            label: None,
            files: vec![file],
            superseded: Superseded::default(),
        });
        self.catalog.files().last().unwrap().id
    }

    fn drop_table(&mut self, force: bool) {
        self.apply(Command::DropTable { database: "d".into(), table: "t".into(), if_exists: false, force });
    }

    fn step(&self, oldest_read: Revision, may_delete: bool) -> Option<Step> {
        decide(&self.catalog, &MetaSettings::default(), oldest_read, Uptime(self.now), |_| may_delete)
    }
}

#[test]
fn a_dropped_table_goes_through_the_bin_the_grace_period_and_two_log_entries() {
    let mut house = House::new();
    let table = house.table();
    let file = house.load(table);
    let volume = house.catalog.file(file).unwrap().volume;
    house.drop_table(false);
    let latest = |house: &House| house.catalog.revision();
    assert_eq!(house.step(latest(&house), true), None, "it can still come back");
    house.now += 86_400_000;
    assert_eq!(house.step(latest(&house), true), Some(Step::Erase));
    house.apply(Command::EraseTrash { older_than_millis: 86_400_000 });
    assert_eq!(house.step(latest(&house), true), None, "too young");
    house.now += 1_800_000;
    assert_eq!(house.step(latest(&house), true), Some(Step::Condemn(vec![file])));
    assert_eq!(house.step(latest(&house), false), None, "the claims were not read");
    assert_eq!(house.step(Revision(1), true), None, "a query reads it");
    let oldest_read = latest(&house);
    house.apply(Command::Condemn { files: vec![file], oldest_read, grace_millis: 1_800_000 });
    assert_eq!(house.step(latest(&house), true), Some(Step::Delete(volume, vec![file])));
    assert_eq!(house.step(latest(&house), false), None, "the claims were not read");
    house.apply(Command::Forget { files: vec![file] });
    assert_eq!(house.step(latest(&house), true), None);
}

#[test]
fn force_ends_a_file_at_once_but_a_restored_cluster_is_careful() {
    let mut house = House::new();
    let table = house.table();
    let file = house.load(table);
    house.drop_table(true);
    house.now += 1_800_000;
    assert_eq!(house.step(house.catalog.revision(), true), Some(Step::Condemn(vec![file])));
    house.catalog.header.restored = Some(storage_catalog::RestoreFacts {
        snapshot_name: "s".into(),
        cut: Revision(1),
        restored_at: UnixMillis(house.now),
        careful_until: Some(Uptime(house.now + 1)),
    });
    assert_eq!(house.step(house.catalog.revision(), true), None);
    house.apply(Command::FinishRestore);
    assert_eq!(house.step(house.catalog.revision(), true), Some(Step::Condemn(vec![file])));
}

/// The cluster is restored beside itself, from a snapshot of now: it borrows its volume, and writes to another.
fn borrowing(house: &mut House) -> VolumeId {
    let own = house.catalog.volumes().next().unwrap().as_ref().clone();
    let (name, kind) = ("s".to_owned(), SnapshotKind::Manual);
    let begin = Command::BeginSnapshot { kind, name, volume: own.id, comment: String::new(), max_history: 10 };
    let Outcome::Job(job) = house.apply(begin) else { panic!() };
    house.apply(Command::SnapshotEvent { job, event: JobEvent::Cut, detail: String::new() });
    let cut = house.catalog.revision();
    let borrowed = StorageVolume { borrowed: Some(Loan { snapshot: "s".into(), cut }), ..own.clone() };
    let mine = StorageVolume { name: "mine".into(), location: "file:///y".into(), ..own.clone() };
    let plan = Rebase {
        incarnation: Incarnation("2".repeat(32)),
        epoch: Epoch(2),
        now: UnixMillis(house.now),
        frontend: Frontend {
            id: NodeId(1),
            name: "fe1".into(),
            role: FrontendRole::Follower,
            host: "fe1".into(),
            edit_log_port: 9010,
            http_port: 8030,
            query_port: 9030,
            rpc_port: 9020,
        },
        expected: Vec::new(),
        cut,
        snapshot_name: "s".into(),
        manifest: (String::new(), 1),
        present: BTreeMap::new(),
        compute_nodes: None,
        volumes: BTreeMap::from([(own.name.clone(), borrowed)]),
        successors: BTreeMap::from([(own.name.clone(), mine)]),
    };
    house.catalog = rebase(&house.catalog, &plan).unwrap();
    house.apply(Command::FinishRestore);
    own.id
}

#[test]
fn what_is_in_a_borrowed_volume_is_forgotten_and_not_deleted() {
    let mut house = House::new();
    let table = house.table();
    let file = house.load(table);
    let borrowed = borrowing(&mut house);
    house.drop_table(true);
    house.now += 1_800_000;
    let latest = house.catalog.revision();
    assert_eq!(
        house.step(latest, false),
        Some(Step::Condemn(vec![file])),
        "whoever owns the root, this is our garbage"
    );
    house.apply(Command::Condemn { files: vec![file], oldest_read: latest, grace_millis: 1_800_000 });
    for may_delete in [false, true] {
        assert_eq!(house.step(house.catalog.revision(), may_delete), Some(Step::Forget(vec![file])));
    }
    house.apply(Command::Forget { files: vec![file] });
    assert!(!house.catalog.has_files_in(borrowed));
}

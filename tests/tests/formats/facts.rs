//! What the samples say: one of every command, and the catalog that they make. Append only; the bytes are frozen.

mod jobs;
mod known;

use std::collections::BTreeMap;

use storage_catalog::{
    AccessChange, Catalog, ChosenRoles, ClusterIdentity, ColumnChange, ColumnPlace, Command, Envelope, Grantee,
    PartitionDraft, ReplacedPartition, RestoredFile, TableDraft, TransactionLoad, UserChange, UserDraft, ViewDraft,
    ViewPut, VolumeDraft, image,
};
use storage_model::file::WrittenRun;
use storage_model::snapshot::JobEvent;
use storage_model::{
    Aggregation, Bound, ByteRange, ClusterId, Column, ColumnId, DataType, DatabaseId, DefaultValue, Distribution,
    Epoch, Expression, ExpressionPart, FileId, Frontend, FrontendRole, Grant, GrantObject, Incarnation, JobId,
    KeyModel, NodeId, Now, Partition, PartitionId, PartitionKey, PartitionRange, Partitioning, PasswordHash, Privilege,
    RelationKind, RetentionChange, Revision, Rowset, RowsetChange, Schema, ServiceId, SnapshotKind, Step, StepUnit,
    StructField, Superseded, Table, TableId, TabletChange, TxnId, UnixMillis, Uptime, UserId, UserName, Value, Vector,
    ViewColumn, VolumeId, VolumeType, WrittenFile,
};
use storage_snapshot::manifest::{Facts, Manifest, SectionEntry};
use storage_snapshot::mark::Mark;
use storage_snapshot::owner::OwnerFacts;

const START: u64 = 1_739_857_978_127;
/// The snapshot that a table comes back from, its cut, and the file that comes back.
const BY_HAND: u64 = 10_031;
const BY_HAND_CUT: Revision = Revision(61);
const RESTORED_FILE: u64 = 10_015;
const RESTORED_OBJECT: &str = "o2";
/// The table whose rows get numbers.
const NUMBERS: u64 = 10_067;

fn text(t: &str) -> String {
    t.to_owned()
}

fn column(name: &str, data_type: DataType, key: bool, default: Option<DefaultValue>) -> Column {
    let comment = format!("the {name}");
    Column {
        id: ColumnId(0),
        name: text(name),
        data_type,
        nullable: !key,
        key,
        default,
        comment,
        initial: None,
        aggregation: None,
    }
}

fn columns() -> Vec<Column> {
    let zero = || Some(DefaultValue::Literal(text("0")));
    vec![
        column("event_time", DataType::DateTime, true, None),
        column("channel", DataType::Varchar(32), true, Some(DefaultValue::Literal(String::new()))),
        column("n", DataType::BigInt, false, zero()),
        column("tiny", DataType::TinyInt, false, zero()),
        column("small", DataType::SmallInt, false, zero()),
        column("medium", DataType::Int, false, Some(DefaultValue::Null)),
        column("large", DataType::LargeInt, false, None),
        column("flag", DataType::Boolean, false, None),
        column("single", DataType::Float, false, None),
        column("double", DataType::Double, false, None),
        column("amount", DataType::Decimal { precision: 10, scale: 2 }, false, None),
        column("day", DataType::Date, false, None),
        column("code", DataType::Char(3), false, None),
        column("seen", DataType::DateTime, false, Some(DefaultValue::CurrentTimestamp)),
    ]
}

fn at(micros: i64) -> Bound {
    Bound::At(vec![Value::DateTime(micros)])
}

fn partition(name: &str, lower: Bound, upper: Bound) -> PartitionDraft {
    PartitionDraft { name: text(name), range: PartitionRange::between(lower, upper), buckets: 3 }
}

fn edits() -> TableDraft {
    TableDraft {
        name: text("edits"),
        columns: columns(),
        model: KeyModel::Duplicate,
        partitioning: Partitioning::Range { columns: vec![ColumnId(1)] },
        distribution: Distribution::Hash { columns: vec![ColumnId(2)] },
        buckets_given: Some(3),
        volume: None,
        comment: text("wiki edits"),
        properties: [(text("replication_num"), text("1"))].into(),
        partitions: vec![partition("p06", Bound::Min, at(1_442_037_600_000_000))],
        sort_key: Vec::new(),
        indexes: vec![known::index()],
    }
}

fn notes(name: &str) -> TableDraft {
    TableDraft {
        name: text(name),
        partitioning: Partitioning::Unpartitioned,
        distribution: Distribution::Random,
        buckets_given: None,
        volume: Some(text("main")),
        partitions: vec![partition(name, Bound::Min, Bound::Max)],
        indexes: Vec::new(),
        ..edits()
    }
}

/// The table of lists: its id.
const CITIES: u64 = 10_044;

/// A table of listed values, of which loads make more.
fn cities() -> TableDraft {
    let month = Step { count: 1, unit: StepUnit::Month };
    let keys =
        vec![PartitionKey { column: ColumnId(2), step: None }, PartitionKey { column: ColumnId(1), step: Some(month) }];
    TableDraft {
        name: text("cities"),
        partitioning: Partitioning::List { keys, automatic: true },
        partitions: vec![listed("p10", &[("10", Some(1_441_065_600_000_000)), ("12", None)])],
        ..edits()
    }
}

fn listed(name: &str, values: &[(&str, Option<i64>)]) -> PartitionDraft {
    let values = values.iter().map(|(word, moment)| vec![Some(Value::Text(text(word))), moment.map(Value::DateTime)]);
    PartitionDraft { name: text(name), range: PartitionRange::among(values.collect()), buckets: 3 }
}

/// A table whose days loads make.
fn days() -> TableDraft {
    let step = Step { count: 7, unit: StepUnit::Day };
    TableDraft { name: text("days"), partitioning: Partitioning::Expression { column: ColumnId(1), step }, ..edits() }
}

/// A table that merges rows, its values combined in every way where its model lets each column say so.
fn keyed(name: &str, model: KeyModel) -> TableDraft {
    let value = |aggregation: Aggregation| {
        let said = (model == KeyModel::Aggregate).then_some(aggregation);
        Column { aggregation: said, ..column(&aggregation.name().to_lowercase(), DataType::BigInt, false, None) }
    };
    let mut columns = vec![column("k", DataType::Int, true, None)];
    columns.extend(Aggregation::ALL.into_iter().filter(|a| a.takes(&DataType::BigInt)).map(value));
    TableDraft {
        columns,
        model,
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        properties: BTreeMap::new(),
        ..notes(name)
    }
}

/// A table whose values stand for many others.
fn sketches() -> Command {
    let value = |name, data_type, aggregation| Column {
        aggregation: Some(aggregation),
        ..column(name, data_type, false, None)
    };
    let columns = vec![
        column("k", DataType::Int, true, None),
        value("b", DataType::Bitmap, Aggregation::BitmapUnion),
        value("h", DataType::Hll, Aggregation::HllUnion),
    ];
    let draft = TableDraft { columns, ..keyed("sketches", KeyModel::Aggregate) };
    Command::CreateTable { database: text("store"), draft, if_not_exists: false }
}

/// A table with columns of the types that hold others.
fn nested(name: &str) -> TableDraft {
    let array = |inner| DataType::Array(Box::new(inner));
    let field = |name, data_type| StructField { name: text(name), data_type };
    let map = DataType::Map(Box::new(DataType::Varchar(9)), Box::new(array(DataType::Date)));
    let fields = vec![field("a", DataType::Int), field("b", array(DataType::Json))];
    let columns = vec![
        column("k", DataType::Int, true, None),
        column("j", DataType::Json, false, Some(DefaultValue::Null)),
        column("b", DataType::Varbinary(16), false, None),
        column("a", array(array(DataType::Decimal { precision: 10, scale: 2 })), false, None),
        column("m", map, false, None),
        column("s", DataType::Struct(fields), false, None),
    ];
    TableDraft {
        columns,
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        properties: BTreeMap::new(),
        ..notes(name)
    }
}

fn volume(name: &str, volume_type: VolumeType, location: &str, properties: &[(&str, &str)]) -> VolumeDraft {
    let properties = properties.iter().map(|(k, v)| (text(k), text(v))).collect();
    VolumeDraft {
        name: text(name),
        volume_type,
        location: text(location),
        comment: text("c"),
        enabled: true,
        properties,
    }
}

fn written(partition: u64, object: &str) -> WrittenFile {
    let run = |bucket, rows| WrittenRun {
        bucket,
        first_row_group: bucket,
        row_groups: 2,
        start: 4,
        end: 1000,
        rows,
        index: None,
    };
    WrittenFile {
        partition: PartitionId(partition),
        volume: VolumeId(10_001),
        object: text(object),
        size: 1234,
        sha256: "ab".repeat(32),
        runs: vec![run(0, 5), run(2, 7)],
        statistics: vec![known::statistics(1, &[3, 1 << 40]), known::statistics(2, &[])],
    }
}

/// A file of a PRIMARY KEY table.
fn keyed_file(partition: u64, object: &str) -> WrittenFile {
    let mut file = written(partition, object);
    let start = |bucket: u32| 1000 + u64::from(bucket) * 50;
    file.runs
        .iter_mut()
        .for_each(|run| run.index = Some(ByteRange { start: start(run.bucket), end: start(run.bucket) + 50 }));
    file
}

/// What its commits take away: of the first tablet a row that stands here, of the other some that stand in an object.
fn superseded(partition: u64, base: u64, loser: Option<&str>) -> Superseded {
    let tablet = |bucket: u32, vector: Vector<u32>| TabletChange {
        partition: PartitionId(partition),
        bucket,
        base,
        rowsets: loser
            .map(|object| RowsetChange { volume: VolumeId(10_001), object: text(object), before: 0, rows: 2, vector })
            .into_iter()
            .collect(),
    };
    let stored = Vector::Stored { file: 0, bytes: ByteRange { start: 0, end: 40 } };
    let vectors = loser.map(|_| WrittenFile { runs: Vec::new(), ..written(partition, "o8.delvec") });
    Superseded {
        tablets: vec![tablet(0, Vector::Inline(vec![1, 2, 3])), tablet(2, stored)],
        vectors: vectors.into_iter().collect(),
    }
}

fn frontend() -> Frontend {
    Frontend {
        id: NodeId(1),
        name: text("127.0.0.1_9010_1739857978127"),
        role: FrontendRole::Follower,
        host: text("127.0.0.1"),
        edit_log_port: 9010,
        http_port: 8030,
        query_port: 9030,
        rpc_port: 9020,
    }
}

fn event(job: u64, event: JobEvent) -> Command {
    Command::SnapshotEvent { job: JobId(job), event, detail: text("detail") }
}

fn begin(name: &str) -> Command {
    let (kind, volume, comment) = (SnapshotKind::Automated, VolumeId(10_001), text("why"));
    Command::BeginSnapshot { kind, name: text(name), volume, comment, max_history: 100 }
}

/// One of every command at least, in an order in which most are taken; a second apart.
pub fn commands() -> Vec<(Now, Command)> {
    let (shop, edits_name, none) = (text("shop"), text("edits"), BTreeMap::new());
    let secrets = [("aws.s3.region", "eu-west-1"), ("aws.s3.secret_key", "hush")];
    let commands = vec![
        Command::CreateVolume { draft: volume("main", VolumeType::Local, "file:///data", &[]), if_not_exists: false },
        Command::CreateVolume { draft: volume("vault", VolumeType::S3, "s3://b/p", &secrets), if_not_exists: true },
        Command::SetDefaultVolume { name: text("main") },
        Command::EnsureBuiltinVolume { draft: volume("builtin_storage_volume", VolumeType::S3, "s3://x", &[]) },
        Command::AlterVolume { name: text("vault"), comment: Some(text("new")), enabled: Some(true), properties: none },
        Command::RegisterFrontend { frontend: frontend() },
        Command::AddComputeNode { host: text("10.0.0.3"), heartbeat_port: 9050 },
        Command::AddComputeNode { host: text("10.0.0.4"), heartbeat_port: 9050 },
        Command::DropComputeNode { host: text("10.0.0.4"), heartbeat_port: 9050 },
        Command::CreateDatabase { name: shop.clone(), volume: Some(text("main")), if_not_exists: false },
        Command::CreateTable { database: shop.clone(), draft: edits(), if_not_exists: false },
        Command::AddPartition {
            database: shop.clone(),
            table: edits_name.clone(),
            draft: partition("p12", at(1_442_037_600_000_000), at(1_442_059_200_000_000)),
            if_not_exists: false,
        },
        Command::CreateTable { database: shop.clone(), draft: notes("notes"), if_not_exists: false },
        Command::CreateTable { database: shop.clone(), draft: notes("gone"), if_not_exists: false },
        Command::LeaseTxns { count: 100 },
        Command::CommitLoad {
            txn: TxnId(1),
            table: TableId(10_007),
            label: Some(text("monday")),
            files: vec![written(10_008, "o1"), written(10_009, "o2")],
            superseded: Superseded::default(),
        },
        Command::CommitLoad {
            txn: TxnId(2),
            table: TableId(10_010),
            label: None,
            files: vec![written(10_011, "o3")],
            superseded: Superseded::default(),
        },
        Command::EnableSnapshots {
            volume: Some(text("main")),
            interval_seconds: Some(600),
            retention: RetentionChange { newest: Some(2), weekly: Some(4), ..RetentionChange::default() },
        },
        Command::AlterSnapshots {
            volume: None,
            interval_seconds: Some(1800),
            retention: RetentionChange { ttl_seconds: Some(604_800), ..RetentionChange::default() },
        },
        begin("automated_cluster_snapshot_1739857978127"),
        event(10_017, JobEvent::Cut),
        event(10_017, JobEvent::Recut),
        event(10_017, JobEvent::Uploaded { cut: Revision(22), sha256: "cd".repeat(32), bytes: 4096 }),
        Command::TruncateTable { database: shop.clone(), table: edits_name.clone(), partitions: vec![text("p06")] },
        Command::DropPartition {
            database: shop.clone(),
            table: edits_name.clone(),
            partition: text("p12"),
            if_exists: false,
            force: false,
        },
        Command::DropTable { database: shop.clone(), table: text("gone"), if_exists: false, force: false },
        Command::Condemn { files: vec![FileId(10_014)], oldest_read: Revision(24), grace_millis: 1000 },
        Command::Forget { files: vec![FileId(10_014)] },
        Command::EraseTrash { older_than_millis: 86_400_000 },
        begin("automated_cluster_snapshot_1739857999999"),
        Command::CancelSnapshot { name: None },
        event(10_021, JobEvent::Failed { cause: text("put: 403 Forbidden") }),
        event(10_017, JobEvent::Retire),
        event(10_017, JobEvent::Deleted),
        Command::SetConfig { key: text("lake_autovacuum_grace_period_minutes"), value: text("5") },
        Command::FinishRestore,
        Command::KeepTime,
        Command::DisableSnapshots,
        Command::CreateDatabase { name: text("old"), volume: None, if_not_exists: true },
        Command::DropDatabase { name: text("old"), if_exists: true, force: true },
        Command::DropVolume { name: text("vault_of_old"), if_exists: true },
        Command::AddFrontend { host: text("fe2"), edit_log_port: 9010, role: FrontendRole::Follower },
        Command::AddFrontend { host: text("fe3"), edit_log_port: 9010, role: FrontendRole::Observer },
        Command::DropFrontend {
            host: text("fe2"),
            edit_log_port: 9010,
            role: FrontendRole::Follower,
            leader: NodeId(1),
        },
        once(1, Command::LeaseTxns { count: 10 }),
        once(2, Command::DropDatabase { name: text("nowhere"), if_exists: false, force: false }),
        Command::ReplaceRows {
            txn: TxnId(3),
            table: TableId(10_010),
            label: Some(text("tuesday")),
            partitions: vec![ReplacedPartition { partition: PartitionId(10_011), base: Some(2) }],
            files: vec![written(10_011, "o4")],
            superseded: Superseded::default(),
        },
        Command::RecoverTable { database: shop.clone(), table: text("gone") },
        Command::RecoverPartition { database: shop.clone(), table: edits_name.clone(), partition: text("p12") },
        Command::RenamePartition {
            database: shop.clone(),
            table: edits_name.clone(),
            partition: text("p12"),
            new_name: text("noon"),
        },
        Command::AddPartitions {
            database: shop.clone(),
            table: edits_name,
            drafts: vec![
                partition("p18", at(1_442_059_200_000_000), at(1_442_080_800_000_000)),
                partition("p24", at(1_442_080_800_000_000), at(1_442_102_400_000_000)),
            ],
        },
        Command::RenameTable { database: shop.clone(), table: text("gone"), new_name: text("found") },
        Command::SwapTables { database: shop.clone(), table: text("found"), other: text("notes") },
        Command::CommentTable { database: shop.clone(), table: text("notes"), comment: text("was found") },
        Command::RenameDatabase { name: shop, new_name: text("store") },
        Command::DropDatabase { name: text("store"), if_exists: false, force: false },
        Command::RecoverDatabase { name: text("store") },
        Command::DropTable { database: text("store"), table: text("found"), if_exists: false, force: false },
        Command::DropPartition {
            database: text("store"),
            table: text("edits"),
            partition: text("p24"),
            if_exists: false,
            force: false,
        },
        Command::BeginSnapshot {
            kind: SnapshotKind::Manual,
            name: text("by_hand"),
            volume: VolumeId(10_001),
            comment: text("kept"),
            max_history: 100,
        },
        event(BY_HAND, JobEvent::Cut),
        event(BY_HAND, JobEvent::Uploaded { cut: BY_HAND_CUT, sha256: "cd".repeat(32), bytes: 4096 }),
        Command::TruncateTable { database: text("store"), table: text("edits"), partitions: vec![text("noon")] },
        restore_table(),
        event(BY_HAND, JobEvent::Retire),
        event(BY_HAND, JobEvent::Abandoned),
        Command::CompactPartition {
            txn: TxnId(5),
            table: TableId(10_033),
            partition: PartitionId(10_034),
            inputs: vec![FileId(10_015)],
            files: vec![written(10_034, "o5")],
            superseded: Superseded::default(),
            seen: Vec::new(),
        },
        Command::GiveUpTxns { below: 6 },
        Command::AlterColumns { database: text("store"), table: text("edits"), changes: changes() },
        Command::CreateTable {
            database: text("store"),
            draft: keyed("sums", KeyModel::Aggregate),
            if_not_exists: false,
        },
        Command::CreateTable {
            database: text("store"),
            draft: keyed("newest", KeyModel::Unique),
            if_not_exists: false,
        },
        Command::CreateTable {
            database: text("store"),
            draft: keyed("goods", KeyModel::Primary),
            if_not_exists: false,
        },
        Command::UpdateRows {
            txn: TxnId(7),
            table: TableId(10_041),
            partitions: vec![ReplacedPartition { partition: PartitionId(10_042), base: Some(1) }],
            files: vec![keyed_file(10_042, "o6")],
            superseded: superseded(10_042, 0, None),
        },
        Command::CreateTable { database: text("store"), draft: cities(), if_not_exists: false },
        Command::RollPartitions {
            table: TableId(CITIES),
            drafts: vec![listed("p11", &[("11", None)])],
            dropped: vec![PartitionId(CITIES + 1)],
        },
        Command::CreateTable { database: text("store"), draft: days(), if_not_exists: false },
        Command::AddTemporaryPartitions {
            database: text("store"),
            table: text("days"),
            drafts: vec![partition("later", at(1_442_037_600_000_000), Bound::At(vec![Value::Max]))],
            if_not_exists: true,
        },
        Command::AddTemporaryPartitions {
            database: text("store"),
            table: text("days"),
            drafts: vec![partition("sooner", Bound::Min, at(1_442_037_600_000_000))],
            if_not_exists: false,
        },
        Command::ReplacePartitions {
            database: text("store"),
            table: text("days"),
            partitions: vec![text("p06")],
            temporary: vec![text("sooner")],
            strict_range: true,
            keep_new_names: true,
        },
        Command::DropPartitions {
            database: text("store"),
            table: text("cities"),
            partitions: vec![text("p11")],
            temporary: false,
            if_exists: false,
            force: false,
        },
        Command::SetTableProperties {
            database: text("store"),
            table: text("days"),
            properties: [(text("partition_ttl"), text("3 DAY"))].into(),
        },
        Command::PutView { database: text("store"), draft: view("shown"), how: ViewPut::Create },
        Command::PutView { database: text("store"), draft: view("hidden"), how: ViewPut::Replace },
        Command::DropView { database: text("store"), name: text("hidden"), if_exists: true },
        Command::CommitTransaction {
            label: Some(text("both")),
            loads: vec![
                TransactionLoad {
                    txn: TxnId(8),
                    table: TableId(10_041),
                    files: vec![keyed_file(10_042, "o7")],
                    partitions: vec![ReplacedPartition { partition: PartitionId(10_042), base: Some(2) }],
                    replaces: false,
                },
                TransactionLoad {
                    txn: TxnId(9),
                    table: TableId(10_041),
                    files: vec![keyed_file(10_042, "o8")],
                    partitions: Vec::new(),
                    replaces: false,
                },
            ],
            superseded: superseded(10_042, 2, Some("o6")),
        },
        Command::CreateTable { database: text("store"), draft: nested("things"), if_not_exists: false },
    ];
    let commands =
        commands.into_iter().chain(access().into_iter().map(Command::Access)).chain([sketches()]).chain(computed());
    let commands = commands.chain(jobs::jobs()).chain([known::analyzed(TableId(NUMBERS))]).chain(jobs::unfilled());
    (1..).map(|n| Now { wall: UnixMillis(START + n * 1000), uptime: Uptime(n * 1000) }).zip(commands).collect()
}

/// What rows hold that nobody says, and rows that keep a part of what they have.
fn computed() -> Vec<Command> {
    let doubled = Expression { parts: vec![ExpressionPart::Text(text("2 * ")), ExpressionPart::Column(ColumnId(2))] };
    let number = Some(DefaultValue::AutoIncrement { next: 1 });
    let columns = vec![
        Column { nullable: false, ..column("id", DataType::BigInt, true, number) },
        column("n", DataType::Int, false, None),
        column("word", DataType::Varchar(36), false, Some(DefaultValue::Uuid)),
        column("number", DataType::LargeInt, false, Some(DefaultValue::UuidNumeric)),
        column("doubled", DataType::BigInt, false, Some(DefaultValue::Generated(doubled))),
    ];
    let draft = TableDraft {
        columns,
        model: KeyModel::Primary,
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        properties: BTreeMap::new(),
        ..notes("numbers")
    };
    vec![
        Command::CreateTable { database: text("store"), draft, if_not_exists: false },
        Command::LeaseIds { table: TableId(NUMBERS), count: 1000 },
        Command::SetAutoIncrement { database: text("store"), table: text("numbers"), next: 5000 },
        Command::MergeRows {
            txn: TxnId(10),
            table: TableId(NUMBERS),
            label: Some(text("kept")),
            partitions: vec![ReplacedPartition { partition: PartitionId(NUMBERS + 1), base: Some(1) }],
            files: vec![keyed_file(NUMBERS + 1, "o9")],
            superseded: superseded(NUMBERS + 1, 0, None),
        },
    ]
}

fn view(name: &str) -> ViewDraft {
    let column = ViewColumn {
        name: text("n"),
        label: text("count(*)"),
        data_type: DataType::BigInt,
        nullable: false,
        comment: text("how many"),
    };
    let home = Some(text("store"));
    let query = text("SELECT count(*) FROM edits");
    ViewDraft { name: text(name), columns: vec![column], query, home, invoker: true, comment: text("all of them") }
}

/// Users, roles and privileges: one of every change.
fn access() -> Vec<AccessChange> {
    let name = |name: &str, host: &str| UserName { name: text(name), host: text(host) };
    let create = |user: UserName, password| AccessChange::CreateUser {
        draft: UserDraft { name: user, password, default_roles: vec![text("db_admin")], max_connections: Some(5) },
        if_not_exists: false,
    };
    let alter = |change| AccessChange::AlterUser { name: name("ann", "%"), change, if_exists: false };
    let (ann, readers) = (|| Grantee::User(name("ann", "%")), || Grantee::Role(text("readers")));
    let grants = |grantable| {
        let table = GrantObject::Relation(RelationKind::Table, DatabaseId(10_006), TableId(10_041));
        [
            (GrantObject::System, Privilege::Operate),
            (table, Privilege::Select),
            (table, Privilege::Insert),
            (GrantObject::AllRelations(RelationKind::View), Privilege::Drop),
            (GrantObject::User(UserId::ROOT), Privilege::Impersonate),
            (GrantObject::Volume(VolumeId(10_001)), Privilege::Usage),
        ]
        .map(|(object, privilege)| Grant { object, privilege, grantable })
        .to_vec()
    };
    vec![
        create(name("ann", "%"), Some(PasswordHash([0x5a; 20]))),
        create(name("bob", "10.0.%"), None),
        AccessChange::CreateRoles {
            names: vec![text("readers"), text("writers")],
            comment: text("of the shop"),
            if_not_exists: true,
        },
        AccessChange::AlterRoles { names: vec![text("writers")], comment: text("w"), if_exists: false },
        AccessChange::GrantRoles { roles: vec![text("writers")], to: readers() },
        AccessChange::GrantRoles { roles: vec![text("readers"), text("user_admin")], to: ann() },
        AccessChange::RevokeRoles { roles: vec![text("user_admin")], from: ann() },
        AccessChange::Grant { grants: grants(true), to: ann() },
        AccessChange::Grant { grants: grants(false), to: readers() },
        AccessChange::Revoke { grants: grants(false)[..2].to_vec(), from: readers() },
        alter(UserChange::Password(Some(PasswordHash([0xa5; 20])))),
        alter(UserChange::MaxConnections(7)),
        alter(UserChange::DefaultRoles(ChosenRoles::These(vec![text("readers")]))),
        AccessChange::AlterUser {
            name: name("root", "%"),
            change: UserChange::DefaultRoles(ChosenRoles::All),
            if_exists: true,
        },
        AccessChange::AlterUser {
            name: name("bob", "10.0.%"),
            change: UserChange::DefaultRoles(ChosenRoles::None),
            if_exists: false,
        },
        AccessChange::DropRoles { names: vec![text("writers")], if_exists: true },
        create(name("eve", "%"), None),
        AccessChange::DropUser { name: name("eve", "%"), if_exists: false },
    ]
}

/// A table of the last snapshot.
fn restore_table() -> Command {
    let rowset = |bucket, rows| Rowset {
        file: FileId(RESTORED_FILE),
        bucket,
        first_row_group: bucket,
        row_groups: 2,
        start: 4,
        end: 1000,
        rows,
        version: 2,
        index: None,
        deletes: None,
    };
    let draft = notes("restored");
    let mut columns = draft.columns;
    columns.iter_mut().zip(1..).for_each(|(column, id)| column.id = ColumnId(id));
    let table = Table {
        id: TableId(10_007),
        database: DatabaseId(10_006),
        name: draft.name,
        schema: Schema::new(columns),
        model: draft.model,
        partitioning: draft.partitioning,
        distribution: draft.distribution,
        buckets_given: draft.buckets_given,
        volume: VolumeId(10_001),
        comment: draft.comment,
        properties: draft.properties,
        partitions: Vec::new(),
        created_at: UnixMillis(START),
        schema_changes: Vec::new(),
        sort_key: Vec::new(),
        temporary: Vec::new(),
    };
    let partition = Partition {
        id: PartitionId(10_011),
        table: table.id,
        name: text("restored"),
        range: PartitionRange::everything(),
        buckets: 3,
        visible_version: 2,
        visible_at: UnixMillis(START),
        rowsets: vec![rowset(0, 5), rowset(2, 7)],
    };
    let file = RestoredFile { id: FileId(RESTORED_FILE), volume: VolumeId(10_001), object: text(RESTORED_OBJECT) };
    Command::RestoreTable {
        job: JobId(BY_HAND),
        cut: BY_HAND_CUT,
        database: text("store"),
        table,
        partitions: vec![partition],
        files: vec![file],
    }
}

/// One of every kind.
fn changes() -> Vec<ColumnChange> {
    let five = Some(DefaultValue::Literal(text("5")));
    let rating = Column { initial: Some(text("5")), ..column("rating", DataType::TinyInt, false, five) };
    let wider = Column { comment: String::new(), ..column("rating", DataType::SmallInt, false, None) };
    let changes = vec![
        ColumnChange::Add { column: rating, place: Some(ColumnPlace::After(text("n"))) },
        ColumnChange::Modify { column: wider, place: None },
        ColumnChange::Drop { name: text("flag") },
        ColumnChange::Rename { name: text("day"), new_name: text("flag") },
        ColumnChange::Order { columns: vec![text("flag"), text("n")] },
        ColumnChange::Comment { name: text("tiny"), comment: text("a little") },
    ];
    changes.into_iter().chain(known::index_changes()).collect()
}

fn once(sequence: u64, command: Command) -> Command {
    Command::Once { proposer: 0x0123_4567_89ab_cdef, sequence, heard: 1, command: Box::new(command) }
}

pub fn catalog() -> Catalog {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(1_234_567),
        token: text("3c9a"),
        service_id: ServiceId(text("f7265e80-631c-44d3-a8ac-cf7cdc7adec8")),
        incarnation: Incarnation("0123456789abcdef".repeat(2)),
        epoch: Epoch(3),
    };
    let mut catalog = Catalog::genesis(identity, UnixMillis(START));
    let mut refused = Vec::new();
    for (proposed_at, command) in commands() {
        let name = command.name();
        if let Err(why) = catalog.apply(&Envelope { proposed_at, command }) {
            refused.push(format!("{name}: {why}"));
        }
    }
    let expected = [
        "FinishRestore: no restore is in progress",
        "DropDatabase: Can't drop database 'nowhere'; database doesn't exist",
        "SnapshotEvent: cluster snapshot by_hand does not wait for long enough",
    ];
    assert_eq!(refused, expected, "the sample has to be worth something");
    assert!(catalog.tables().all(|table| table.name != "given_up"), "UNFILLED is another table");
    catalog
}

/// The manifest of that catalog. Its sections are named by what they hold, so that a new zstd does not move a frozen byte.
pub fn manifest() -> Manifest {
    let catalog = catalog();
    let section = |(n, section): (usize, image::Section)| SectionEntry {
        path: format!("meta/image/s/sections/{n}"),
        kind: section.kind,
        size: n as u64,
        sha256: "ef".repeat(32),
    };
    let sections =
        image::encode(&catalog, image::Secrets::Omit).unwrap().into_iter().enumerate().map(section).collect();
    let facts = Facts {
        product_version: text("0.1.0"),
        name: text("s"),
        kind: SnapshotKind::Manual,
        comment: text("before the move"),
        created_at: UnixMillis(START),
        finished_at: None,
        raft_term: 7,
        predecessor: None,
        voided_cuts: Vec::new(),
    };
    Manifest::describe(&catalog, &facts, sections)
}

/// A high-water mark of its owner.
pub fn mark() -> Mark {
    let facts = OwnerFacts::new("192.0.2.7", UnixMillis(START), "0.1.0");
    Mark::new(Epoch(3), &Incarnation("0123456789abcdef0123456789abcdef".to_owned()), Revision(4242), &facts)
}

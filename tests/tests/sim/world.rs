//! The catalog, its model, the store, and who works on them: each step is one thing that one of them does.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use storage_catalog::{Catalog, ClusterIdentity, Command, Envelope, Outcome, Rejection, VolumeDraft, image};
use storage_model::{
    ClusterId, Epoch, Incarnation, JobId, Now, Revision, ServiceId, TableId, UnixMillis, Uptime, VolumeId, VolumeType,
};

use super::compact::Compaction;
use super::loads::Load;
use super::model::Model;
use super::store::Store;

const START: u64 = 1_739_857_978_000;

pub struct World {
    pub rng: StdRng,
    pub catalog: Catalog,
    pub model: Model,
    pub store: Store,
    /// Loads that are written and not committed.
    pub loads: Vec<Load>,
    /// Compactions that are written and not committed.
    pub compactions: Vec<Compaction>,
    pub queries: Vec<Query>,
    /// Condemn commands on their way through the log.
    pub delayed: Vec<Command>,
    /// Tables that were taken out of snapshots and are on their way through the log.
    pub returning: Vec<super::restored_tables::Returning>,
    /// Views frozen at their cuts, as the leader holds them.
    pub frozen: BTreeMap<u64, (Catalog, Model)>,
    /// The catalog's ids of what the model knows by birth.
    pub job_ids: BTreeMap<u64, JobId>,
    pub table_ids: BTreeMap<u64, TableId>,
    pub volume: VolumeId,
    pub names: u64,
    pub history: Vec<String>,
    pub tally: Tally,
    /// The revision before the last command, and how many commands were applied since.
    pub last: (u64, u64),
    /// Objects whose files were forgotten, in this timeline.
    pub forgotten: BTreeSet<String>,
    pub problem: Option<String>,
    /// Whether it is restored all the time, from whatever is there, and garbage is collected in between.
    pub is_restless: bool,
}

/// A query that reads the catalog as it was.
pub struct Query {
    pub revision: u64,
    pub objects: BTreeSet<String>,
}

/// How often what happened.
#[derive(Clone, Debug, Default)]
pub struct Tally(pub BTreeMap<&'static str, u64>);

/// What a run of the default length must have seen.
pub const MUST_HAPPEN: &[&str] = &[
    "commit",
    "transaction",
    "transaction refused",
    "stale load",
    "label refused",
    "replacement",
    "replaced with nothing",
    "stale replacement",
    "compaction",
    "stale compaction",
    "job finished",
    "job overtaken",
    "job cancelled",
    "orphan",
    "update",
    "numbers leased",
    "table dropped",
    "table renamed",
    "tables swapped",
    "database renamed",
    "table recovered",
    "partition recovered",
    "database recovered",
    "truncate",
    "condemned",
    "forgotten",
    "pinned file left",
    "read file left",
    "snapshot finished",
    "snapshot failed",
    "snapshot deleted",
    "recut",
    "restore",
    "restore of an unfinished job",
    "restore of an expired snapshot",
    "foreign snapshot",
    "careful refused",
    "image round trip",
    "erased",
    "table restored",
    "file came back",
    "table restore refused",
];

/// And what a restless one must have seen.
pub const RESTLESS_MUST_HAPPEN: &[&str] = &[
    "condemned",
    "forgotten",
    "restore",
    "restore of a foreign snapshot",
    "foreign snapshot",
    "foreign snapshot deleted",
    "foreign file left",
    "pinned file left",
    "snapshot deleted",
    "table restored",
    "file came back",
    "table restored from another timeline",
    "snapshot gone before its table was restored",
    "foreign snapshot with files that came back",
];

impl Tally {
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub fn add(&mut self, other: &Tally) {
        for (what, n) in &other.0 {
            *self.0.entry(what).or_default() += n;
        }
    }

    pub fn idle(&self, must_happen: &[&'static str]) -> Vec<&'static str> {
        must_happen.iter().filter(|what| !self.0.contains_key(**what)).copied().collect()
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        let identity = ClusterIdentity {
            cluster_id: ClusterId(seed),
            token: "token".to_owned(),
            service_id: ServiceId("service".to_owned()),
            incarnation: Incarnation(format!("{seed:032x}")),
            epoch: Epoch(1),
        };
        let mut world = World {
            rng: StdRng::seed_from_u64(seed),
            catalog: Catalog::genesis(identity, UnixMillis(START)),
            model: Model { clock: START, next_txn: 1, ..Model::default() },
            store: Store::default(),
            loads: Vec::new(),
            compactions: Vec::new(),
            queries: Vec::new(),
            delayed: Vec::new(),
            returning: Vec::new(),
            frozen: BTreeMap::new(),
            job_ids: BTreeMap::new(),
            table_ids: BTreeMap::new(),
            volume: VolumeId(0),
            names: 0,
            history: Vec::new(),
            tally: Tally::default(),
            last: (0, 0),
            forgotten: BTreeSet::new(),
            problem: None,
            is_restless: false,
        };
        let draft = VolumeDraft {
            name: "main".to_owned(),
            volume_type: VolumeType::Local,
            location: "file:///main".to_owned(),
            comment: String::new(),
            enabled: true,
            properties: BTreeMap::new(),
        };
        let Ok(Outcome::Volume(volume)) = world.apply(Command::CreateVolume { draft, if_not_exists: false }) else {
            panic!("the first volume was refused")
        };
        world.volume = volume;
        world.apply(Command::SetDefaultVolume { name: "main".to_owned() }).unwrap();
        world.create_database("d0");
        world
    }

    /// One command through the log, at the model's uptime and any time of the day.
    pub fn apply(&mut self, command: Command) -> Result<Outcome, Rejection> {
        let pause =
            if self.chance(1, 100) { self.rng.random_range(0..150_000_000) } else { self.rng.random_range(0..5000) };
        self.model.clock += pause;
        self.model.revision += 1;
        self.last.1 += 1;
        self.history.push(format!("r{} {command:?}", self.model.revision));
        // The wall's clock jumps as it likes; nothing that the model says depends on it.
        let wall = UnixMillis(START + self.rng.random_range(0..400 * 86_400_000));
        let envelope = Envelope { proposed_at: Now { wall, uptime: Uptime(self.model.clock) }, command };
        // What goes through the log is bytes.
        let bytes = storage_catalog::codec::encode(storage_catalog::codec::ENVELOPE, &envelope).unwrap();
        let envelope = storage_catalog::codec::decode(storage_catalog::codec::ENVELOPE, &bytes).unwrap();
        let reply = self.catalog.apply(&envelope);
        self.history.push(format!("   -> {reply:?}"));
        reply
    }

    /// The catalog must do as the model says.
    pub fn expect(&mut self, reply: &Result<Outcome, Rejection>, taken: bool) {
        if reply.is_ok() != taken && self.problem.is_none() {
            let wanted = if taken { "take" } else { "refuse" };
            self.problem = Some(format!("the model says {wanted}, the catalog says {reply:?}"));
        }
    }

    pub fn chance(&mut self, n: u32, of: u32) -> bool {
        self.rng.random_ratio(n, of)
    }

    pub fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    pub fn step(&mut self) -> &'static str {
        self.last = (self.catalog.revision().0, 0);
        if self.is_restless {
            return self.restless_step();
        }
        match self.rng.random_range(0..100) {
            0..=1 => self.change_databases(),
            2..=7 => self.make_table(),
            8..=10 => self.drop_table(),
            11..=12 => self.truncate(),
            13..=15 => self.change_partitions(),
            16 => self.add_partitions(),
            17..=20 => self.rename(),
            21..=27 => self.recover(),
            28..=36 => self.write_load(),
            37..=45 => self.commit_load(),
            46 => self.commit_together(),
            47..=48 => self.compact(),
            49 => self.alter(),
            50..=53 => self.begin_query(),
            54..=57 => self.end_query(),
            58..=64 => self.condemn(),
            65..=71 => self.delete_and_forget(),
            72..=73 => self.erase_trash(),
            74..=91 => self.snapshot_step(),
            92..=94 => self.restore_table(),
            95..=96 => self.image_round_trip(),
            97 => self.finish_restore(),
            98 => self.restore(),
            _ if self.chance(1, 2) => self.sweep_orphans(),
            _ if self.chance(1, 2) => self.lease_ids(),
            _ => self.lease(),
        }
    }

    /// Timelines branch off each other, and each throws away what others need.
    fn restless_step(&mut self) -> &'static str {
        match self.rng.random_range(0..100) {
            0..=4 => self.make_table(),
            5..=7 => self.drop_table(),
            8..=13 => self.truncate(),
            14..=20 => self.write_load(),
            21..=29 => self.commit_load(),
            30..=31 => self.commit_together(),
            32..=43 => self.condemn(),
            44..=53 => self.delete_and_forget(),
            54..=55 => self.erase_trash(),
            56..=81 => self.snapshot_step(),
            82..=87 => self.restore_table(),
            88..=95 if self.model.careful_until.is_some() => self.finish_restore(),
            96..=97 => self.restore(),
            _ => self.sweep(),
        }
    }

    fn lease(&mut self) -> &'static str {
        let count = self.rng.random_range(1..100);
        let reply = self.apply(Command::LeaseTxns { count });
        self.expect(&reply, true);
        self.model.next_txn += count;
        "lease"
    }

    fn begin_query(&mut self) -> &'static str {
        let live = self.model.tables().flat_map(|(_, _, t)| t.partitions.values()).flat_map(|p| &p.objects);
        let query = Query { revision: self.model.revision, objects: live.cloned().collect() };
        self.queries.push(query);
        "begin query"
    }

    fn end_query(&mut self) -> &'static str {
        if !self.queries.is_empty() {
            let at = self.rng.random_range(0..self.queries.len());
            self.queries.swap_remove(at);
        }
        "end query"
    }

    /// A node restarts from an image.
    fn image_round_trip(&mut self) -> &'static str {
        let bytes = image::to_bytes(&self.catalog).unwrap();
        self.catalog = image::from_bytes(&bytes).unwrap();
        if image::to_bytes(&self.catalog).unwrap() != bytes {
            self.problem = Some("an image does not survive the round trip".to_owned());
        }
        self.tally.count("image round trip");
        "image round trip"
    }

    fn finish_restore(&mut self) -> &'static str {
        let reply = self.apply(Command::FinishRestore);
        let taken = self.model.careful_until.take().is_some();
        self.expect(&reply, taken);
        "finish restore"
    }

    pub fn any_table(&mut self) -> Option<(String, String)> {
        self.model.tables().map(|(d, t, _)| (d.clone(), t.clone())).choose(&mut self.rng)
    }

    /// The oldest revision that a query reads, as the leader knows it when it decides.
    pub fn oldest_read(&self) -> Revision {
        let oldest = self.queries.iter().map(|q| q.revision).min();
        Revision(oldest.unwrap_or(self.model.revision).min(self.model.revision))
    }
}

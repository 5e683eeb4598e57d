//! The meta directory of a frontend.
//!
//! ```text
//! meta/
//!   LOCK               held by the process that has it open
//!   image/             the cluster exists when this does
//!     VERSION          clusterId, token          (key=value, as StarRocks' scripts read them)
//!     ROLE             role, name, hostType; and nodeId, address: who this node is in the group
//!     image.<revision> and checksum.<revision>: see image_store
//!   log/               raft-log; carries the incarnation that it belongs to
//!   .creating/         a creation that is under way or was interrupted
//!   DROPPED            this frontend was dropped from the cluster: what is here must not be used any more
//! ```
//!
//! Creation is one rename: everything is built and synced in `.creating`, then `log` is moved out, then `image`. It works
//! where the directory is a mount point and cannot be renamed itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use storage_catalog::{Catalog, ClusterIdentity};
use storage_model::{NodeId, UnixMillis};
use tracing::{info, warn};

use openraft::CommittedLeaderId;

use crate::durable;
use crate::error::RaftError;
use crate::image_store::ImageStore;
use crate::log_store;
use crate::types::{LogId, Membership, Node, SnapshotMeta, StoredMembership};

const LOCK: &str = "LOCK";
const IMAGE: &str = "image";
const LOG: &str = "log";
const CREATING: &str = ".creating";
const DROPPED: &str = "DROPPED";
const NEW: &str = "new";

/// Where a frontend keeps its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaDir(PathBuf);

/// Who this node is, as its meta directory remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id and address in the group.
    pub node: Node,
    /// `host_port_ts`, as SHOW FRONTENDS prints it.
    pub name: String,
    /// `FOLLOWER` or `OBSERVER`.
    pub role: String,
}

/// Held while a process has the directory open. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct DirLock(#[allow(dead_code, reason = "held, never read")] File);

impl MetaDir {
    /// The directory `meta_dir` of fe.conf. Nothing is read or made yet.
    pub fn new(path: impl Into<PathBuf>) -> MetaDir {
        MetaDir(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn image_dir(&self) -> PathBuf {
        self.0.join(IMAGE)
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// Whether a cluster lives here. An interrupted creation does not count; a log that has lost its image does, so that
    /// nobody founds a new cluster over it.
    pub fn exists(&self) -> bool {
        self.image_dir().exists() || (self.log_dir().exists() && !self.0.join(CREATING).exists())
    }

    /// Makes this the meta directory of a group whose only voter is `me`, with `catalog` as its first image: the first
    /// start of a cluster and a restore are the same. Raft's index begins at 0; the revision goes on from the catalog.
    /// All or nothing, and durable. Blocking.
    pub fn create(&self, catalog: &Catalog, me: &Node, name: &str) -> Result<(), RaftError> {
        let first = LogId::new(CommittedLeaderId::new(0, 0), 0);
        let group = Membership::new(vec![[me.id.0].into()], BTreeMap::from([(me.id.0, me.clone())]));
        let meta = SnapshotMeta {
            last_log_id: Some(first),
            last_membership: StoredMembership::new(Some(first), group),
            snapshot_id: format!("{}-0-0", catalog.revision()),
        };
        self.make(catalog, &meta, &Identity { node: me.clone(), name: name.to_owned(), role: "FOLLOWER".to_owned() })
    }

    /// Makes this the meta directory of a frontend that joins the cluster `identity` and knows nothing else of it yet: the
    /// leader sends it an image, and the log from there on. All or nothing, and durable. Blocking.
    pub fn join(&self, identity: &ClusterIdentity, who: &Identity) -> Result<(), RaftError> {
        let nothing = Catalog::genesis(identity.clone(), UnixMillis(0));
        self.make(&nothing, &SnapshotMeta { snapshot_id: "nothing".to_owned(), ..SnapshotMeta::default() }, who)
    }

    fn make(&self, catalog: &Catalog, meta: &SnapshotMeta, who: &Identity) -> Result<(), RaftError> {
        let lock = self.lock()?;
        if self.exists() {
            return Err(RaftError::Exists { dir: self.0.clone() });
        }
        let building = self.0.join(CREATING);
        for leftover in [self.log_dir(), building.clone()] {
            if leftover.exists() {
                warn!(path = %leftover.display(), "removing what an interrupted creation has left");
                fs::remove_dir_all(&leftover).map_err(RaftError::io("remove", &leftover))?;
            }
        }
        self.build(&building, catalog, meta, who)?;
        self.publish(&building)?;
        info!(dir = %self.0.display(), revision = %catalog.revision(), node = %who.node, "meta directory created");
        drop(lock);
        Ok(())
    }

    fn build(&self, building: &Path, catalog: &Catalog, meta: &SnapshotMeta, who: &Identity) -> Result<(), RaftError> {
        let make = |dir: &Path| fs::create_dir(dir).map_err(RaftError::io("create", dir));
        let sync = |dir: &Path| durable::sync_dir(dir).map_err(RaftError::io("sync", dir));
        let (image_dir, log_dir) = (building.join(IMAGE), building.join(LOG));
        make(building)?;
        make(&image_dir)?;

        log_store::create_log(&log_dir, &catalog.identity().incarnation.0, meta.last_log_id)?;
        ImageStore::new(&image_dir).write(catalog, meta)?;
        let role = properties(&[
            ("role", &who.role),
            ("name", &who.name),
            ("hostType", "IP"),
            ("nodeId", &who.node.id.to_string()),
            ("address", &who.node.address),
        ]);
        write_text(&image_dir.join("ROLE"), &role)?;
        write_text(&image_dir.join("VERSION"), &version(catalog.identity()))?;
        for dir in [&log_dir, &image_dir, building] {
            sync(dir)?;
        }
        sync(&self.0)
    }

    /// The last rename is the moment at which the cluster exists.
    fn publish(&self, building: &Path) -> Result<(), RaftError> {
        for (from, to) in [(building.join(LOG), self.log_dir()), (building.join(IMAGE), self.image_dir())] {
            fs::rename(&from, &to).map_err(RaftError::io("move into place", &to))?;
            durable::sync_dir(&self.0).map_err(RaftError::io("sync", &self.0))?;
        }
        fs::remove_dir(building).map_err(RaftError::io("remove", building))
    }

    /// Moves what is here out of the way, to `<path>.<suffix>`; where the directory itself cannot be moved (a mount
    /// point), its contents go to `<path>/<suffix>`. Returns where they are. Blocking.
    pub fn set_aside(&self, suffix: &str) -> Result<PathBuf, RaftError> {
        if !self.0.exists() {
            return Err(RaftError::Missing { dir: self.0.clone() });
        }
        let lock = self.lock()?;
        let beside = appended(&self.0, suffix);
        let inside = self.0.join(suffix);
        if beside.exists() || inside.exists() {
            let taken = if beside.exists() { beside } else { inside };
            return Err(RaftError::Exists { dir: taken });
        }
        if fs::rename(&self.0, &beside).is_ok() {
            durable::sync_parent(&self.0).map_err(RaftError::io("sync parent of", &self.0))?;
            drop(lock);
            return Ok(beside);
        }
        fs::create_dir(&inside).map_err(RaftError::io("create", &inside))?;
        for part in [IMAGE, LOG, CREATING, DROPPED] {
            let from = self.0.join(part);
            if from.exists() {
                fs::rename(&from, inside.join(part)).map_err(RaftError::io("set aside", &from))?;
            }
        }
        durable::sync_dir(&self.0).map_err(RaftError::io("sync", &self.0))?;
        Ok(inside)
    }

    /// Puts a new meta directory with `catalog`, of a group whose only voter is `me`, in the place of this one, which goes
    /// to `<path>.<suffix>`. Where the directories cannot change places (a mount point, a file system that cannot do it),
    /// their contents do, and the old ones go to `<path>/<suffix>`. There is a cluster here all the time, so that nobody
    /// founds a new one: the old, the new, or, inside a mount point, for a moment a part of each, which does not start.
    /// Returns where the old one is. Durable. Blocking.
    pub fn replace(&self, catalog: &Catalog, me: &Node, name: &str, suffix: &str) -> Result<PathBuf, RaftError> {
        if !self.exists() {
            return Err(RaftError::Missing { dir: self.0.clone() });
        }
        let _lock = self.lock()?;
        let (beside, inside) = (appended(&self.0, suffix), self.0.join(suffix));
        for taken in [&beside, &inside] {
            if taken.exists() {
                return Err(RaftError::Exists { dir: taken.clone() });
            }
        }
        let new = MetaDir(appended(&beside, NEW));
        if self.stage(&new, catalog, me, name).is_ok() && durable::exchange(&self.0, &new.0).is_ok() {
            fs::rename(&new.0, &beside).map_err(RaftError::io("set aside", &new.0))?;
            durable::sync_parent(&self.0).map_err(RaftError::io("sync parent of", &self.0))?;
            return Ok(beside);
        }
        // It may not even have been possible to begin it.
        let _ = fs::remove_dir_all(&new.0);
        self.replace_inside(catalog, me, name, &inside)?;
        Ok(inside)
    }

    /// Readable by nobody who could not read the old one: the secrets of storage volumes are in it.
    fn stage(&self, new: &MetaDir, catalog: &Catalog, me: &Node, name: &str) -> Result<(), RaftError> {
        let permissions = fs::metadata(&self.0).map_err(RaftError::io("look at", &self.0))?.permissions();
        fs::create_dir(&new.0).map_err(RaftError::io("create", &new.0))?;
        fs::set_permissions(&new.0, permissions).map_err(RaftError::io("set permissions of", &new.0))?;
        new.create(catalog, me, name)
    }

    fn replace_inside(&self, catalog: &Catalog, me: &Node, name: &str, aside: &Path) -> Result<(), RaftError> {
        let new = MetaDir(appended(aside, NEW));
        self.stage(&new, catalog, me, name)?;
        fs::create_dir(aside).map_err(RaftError::io("create", aside))?;
        let step = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(RaftError::io("move into place", to))?;
            durable::sync_dir(&self.0).map_err(RaftError::io("sync", &self.0))
        };
        // A log without an image counts as a cluster, an empty directory does not: the image goes last.
        for (part, from) in [(self.log_dir(), new.log_dir()), (self.image_dir(), new.image_dir())] {
            step(&part, &aside.join(part.file_name().unwrap_or_default()))?;
            step(&from, &part)?;
        }
        if self.is_dropped() {
            step(&self.0.join(DROPPED), &aside.join(DROPPED))?;
        }
        fs::remove_dir_all(&new.0).map_err(RaftError::io("remove", &new.0))
    }

    /// The catalog of the newest whole image, without the log behind it: what a restore asks before it replaces anything.
    /// Nothing may have the directory open. Blocking.
    pub fn newest_image(&self) -> Result<Catalog, RaftError> {
        let _lock = self.lock()?;
        ImageStore::open(&self.image_dir(), None).map(|(_, _, catalog)| catalog)
    }

    /// Remembers that this node was dropped from its cluster. Durable. Blocking.
    pub fn mark_dropped(&self) -> Result<(), RaftError> {
        write_text(&self.0.join(DROPPED), "dropped from the cluster\n")
    }

    /// Whether this node was dropped from its cluster.
    pub fn is_dropped(&self) -> bool {
        self.0.join(DROPPED).exists()
    }

    /// Who this node is.
    pub fn identity(&self) -> Result<Identity, RaftError> {
        let path = self.image_dir().join("ROLE");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RaftError::Missing { dir: self.0.clone() });
            }
            Err(error) => return Err(RaftError::io("read", &path)(error)),
        };
        let found = parse(&text);
        let get = |key: &str| {
            let cause = format!("it has no property {key}");
            found.get(key).cloned().ok_or_else(|| RaftError::Damaged { path: path.clone(), cause })
        };
        let id = get("nodeId")?;
        let id = id
            .parse()
            .map(NodeId)
            .map_err(|_| RaftError::Damaged { path: path.clone(), cause: format!("nodeId is {id:?}, not a number") })?;
        Ok(Identity { node: Node { id, address: get("address")? }, name: get("name")?, role: get("role")? })
    }

    /// Checks VERSION against the image; writes it again when it is lost.
    pub(crate) fn check_version(&self, identity: &ClusterIdentity) -> Result<(), RaftError> {
        if self.reads_version(identity)? {
            return Ok(());
        }
        let path = self.image_dir().join("VERSION");
        warn!(path = %path.display(), "VERSION is lost; writing it again from the image");
        write_text(&path, &version(identity))
    }

    /// Keeps every other process out.
    pub(crate) fn lock(&self) -> Result<DirLock, RaftError> {
        fs::create_dir_all(&self.0).map_err(RaftError::io("create", &self.0))?;
        let path = self.0.join(LOCK);
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(RaftError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(self.locked(&mut file)),
            Err(TryLockError::Error(source)) => return Err(RaftError::io("lock", &path)(source)),
        }
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(RaftError::io("write", &path))?;
        Ok(DirLock(file))
    }
}

impl MetaDir {
    fn locked(&self, file: &mut File) -> RaftError {
        let mut pid = String::new();
        // Only for the message.
        let _ = file.read_to_string(&mut pid);
        let pid = pid.trim();
        let holder = if pid.is_empty() { String::new() } else { format!(" (pid {pid})") };
        RaftError::Locked { dir: self.0.clone(), holder }
    }

    /// Keeps every frontend out without writing anything. None: no process ever had the directory open.
    pub(crate) fn lock_to_read(&self) -> Result<Option<File>, RaftError> {
        let path = self.0.join(LOCK);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RaftError::io("open", &path)(error)),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(self.locked(&mut file)),
            Err(TryLockError::Error(source)) => Err(RaftError::io("lock", &path)(source)),
        }
    }

    /// Whether VERSION is there; an error when it is that of another cluster.
    pub(crate) fn reads_version(&self, identity: &ClusterIdentity) -> Result<bool, RaftError> {
        let path = self.image_dir().join("VERSION");
        match fs::read_to_string(&path) {
            Ok(text) if parse(&text) == parse(&version(identity)) => Ok(true),
            Ok(_) => {
                let cause = format!("it does not name cluster {} with its token", identity.cluster_id);
                Err(RaftError::Foreign { path, cause })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(RaftError::io("read", &path)(error)),
        }
    }
}

fn appended(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn version(identity: &ClusterIdentity) -> String {
    properties(&[("clusterId", &identity.cluster_id.to_string()), ("token", &identity.token)])
}

fn properties(pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(String::new(), |mut text, (key, value)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key}={value}");
        text
    })
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(|l| l.split_once('=')).map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())).collect()
}

fn write_text(path: &Path, text: &str) -> Result<(), RaftError> {
    durable::write(path, &[text.as_bytes()]).map_err(RaftError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_created_directory_remembers_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let meta = MetaDir::new(dir.path().join("deep/meta"));
        assert!(!meta.exists());
        assert!(matches!(meta.identity(), Err(RaftError::Missing { .. })));
        meta.create(&testing::catalog_at(7), &testing::me(), "fe_9010_1").unwrap();
        assert!(meta.exists());
        let expected = Identity { node: testing::me(), name: "fe_9010_1".to_owned(), role: "FOLLOWER".to_owned() };
        assert_eq!(meta.identity().unwrap(), expected);
        let version = fs::read_to_string(meta.image_dir().join("VERSION")).unwrap();
        assert_eq!(version, "clusterId=42\ntoken=the-token\n");
        assert!(meta.image_dir().join("image.7").exists());
        assert!(!meta.path().join(CREATING).exists());
    }

    #[test]
    fn a_replaced_directory_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let meta = MetaDir::new(dir.path().join("meta"));
        let replace =
            |revision, suffix: &str| meta.replace(&testing::catalog_at(revision), &testing::me(), "fe2", suffix);
        assert!(matches!(replace(1, "x"), Err(RaftError::Missing { .. })));
        meta.create(&testing::catalog_at(3), &testing::me(), "fe1").unwrap();
        let aside = replace(7, "before").unwrap();
        assert_eq!(aside, dir.path().join("meta.before"));
        let revision = |meta: &MetaDir| meta.newest_image().unwrap().revision().0;
        assert_eq!((revision(&meta), meta.identity().unwrap().name.as_str()), (7, "fe2"));
        let old = MetaDir::new(&aside);
        assert_eq!((revision(&old), old.identity().unwrap().name.as_str()), (3, "fe1"));
        assert!(matches!(replace(8, "before"), Err(RaftError::Exists { .. })));
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");

        let lock = meta.lock().unwrap();
        assert!(matches!(replace(8, "locked"), Err(RaftError::Locked { .. })));
        drop(lock);
        meta.replace_inside(&testing::catalog_at(9), &testing::me(), "fe3", &meta.path().join("inside")).unwrap();
        assert_eq!((revision(&meta), meta.identity().unwrap().name.as_str()), (9, "fe3"));
        assert_eq!(revision(&MetaDir::new(meta.path().join("inside"))), 7);
        assert!(!meta.path().join("inside.new").exists());
    }

    #[test]
    fn a_cluster_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let meta = MetaDir::new(dir.path());
        meta.create(&testing::catalog_at(0), &testing::me(), "fe").unwrap();
        let again = meta.create(&testing::catalog_at(0), &testing::me(), "fe");
        assert!(matches!(again, Err(RaftError::Exists { .. })));
        // Not even when only its log is left.
        fs::remove_dir_all(meta.image_dir()).unwrap();
        let again = meta.create(&testing::catalog_at(0), &testing::me(), "fe");
        assert!(matches!(again, Err(RaftError::Exists { .. })));
    }

    #[test]
    fn an_interrupted_creation_leaves_no_cluster_and_can_be_repeated() {
        // As it is when the process dies after each of its steps.
        for step in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            let meta = MetaDir::new(dir.path());
            let building = dir.path().join(CREATING);
            if step == 0 {
                fs::create_dir_all(building.join(IMAGE)).unwrap();
                fs::write(building.join(IMAGE).join("image.7.tmp"), b"half").unwrap();
            } else {
                let who = Identity { node: testing::me(), name: "old".to_owned(), role: "FOLLOWER".to_owned() };
                meta.build(&building, &testing::catalog_at(3), &testing::meta_at(3), &who).unwrap();
            }
            if step >= 2 {
                fs::rename(building.join(LOG), meta.log_dir()).unwrap();
            }
            if step == 3 {
                fs::rename(building.join(IMAGE), meta.image_dir()).unwrap();
                assert!(meta.exists(), "the last rename is the moment");
                assert_eq!(meta.identity().unwrap().name, "old");
                continue;
            }
            assert!(!meta.exists(), "step {step}");
            meta.create(&testing::catalog_at(7), &testing::me(), "new").unwrap();
            assert_eq!(meta.identity().unwrap().name, "new");
            assert!(!meta.image_dir().join("image.3").exists());
        }
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let meta = MetaDir::new(dir.path());
        let held = meta.lock().unwrap();
        let refused = meta.lock().unwrap_err();
        assert!(matches!(refused, RaftError::Locked { .. }));
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        drop(held);
        meta.lock().unwrap();
    }

    #[test]
    fn the_old_directory_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let meta = MetaDir::new(dir.path().join("meta"));
        meta.create(&testing::catalog_at(1), &testing::me(), "fe").unwrap();
        let aside = meta.set_aside("before-restore").unwrap();
        assert!(!meta.exists() && MetaDir::new(aside).exists());
        meta.create(&testing::catalog_at(2), &testing::me(), "fe").unwrap();
        assert!(matches!(meta.set_aside("before-restore"), Err(RaftError::Exists { .. })));
    }
}

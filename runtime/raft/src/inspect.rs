//! A meta directory that nobody has open, looked at without changing a byte of it: for the offline tool. What a start
//! would repair (a torn tail, an unfinished file, a lost VERSION) is only told. `latest` reads what it all comes to.

mod latest;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use storage_catalog::{Catalog, Envelope};
use storage_model::{NodeId, Revision};

use crate::durable;
use crate::error::RaftError;
use crate::image_store::{self, Checksum};
use crate::log_store::scan::{self, Scan};
use crate::meta_dir::{Identity, MetaDir};
use crate::types::{EntryPayload, Membership, Node};

pub use latest::Latest;

/// Holds the lock of the directory, so that no frontend opens it meanwhile.
#[derive(Debug)]
pub struct Inspection {
    dir: MetaDir,
    _lock: Option<File>,
}

/// An image, read from end to end.
#[derive(Debug)]
pub struct InspectedImage {
    /// The file.
    pub path: PathBuf,
    /// Of the catalog.
    pub revision: Revision,
    /// The last entry of the log that is in it.
    pub index: Option<u64>,
    /// Its term.
    pub term: Option<u64>,
    /// The group as it was then.
    pub group: Group,
    /// Whether a checksum stands beside it; it is the right one.
    pub has_checksum: bool,
    /// What is in it.
    pub catalog: Catalog,
}

/// Voters and learners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// One set, or two while the group changes.
    pub voters: Vec<Vec<NodeId>>,
    /// Everybody.
    pub nodes: Vec<Node>,
}

impl From<&Membership> for Group {
    fn from(membership: &Membership) -> Group {
        let set = |voters: &std::collections::BTreeSet<u64>| voters.iter().copied().map(NodeId).collect();
        Group {
            voters: membership.get_joint_config().iter().map(set).collect(),
            nodes: membership.nodes().map(|(_, node)| node.clone()).collect(),
        }
    }
}

/// An entry of the log.
#[derive(Debug)]
pub struct InspectedEntry {
    /// Its index.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// What it says.
    pub content: Content,
}

/// What an entry says.
#[derive(Debug)]
pub enum Content {
    /// Nothing: a leader has begun its term.
    Blank,
    /// Commands to the catalog.
    Commands(Vec<Envelope>),
    /// The group from now on.
    Group(Group),
}

/// Something that a check has looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at, and what was found.
    pub text: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// As it may be after a crash; the next start puts it right.
    Note,
    /// Wrong.
    Problem,
}

impl Inspection {
    /// Keeps frontends out, and refuses when one is in.
    pub fn open(dir: &MetaDir) -> Result<Inspection, RaftError> {
        if !dir.exists() {
            return Err(RaftError::Missing { dir: dir.path().to_owned() });
        }
        Ok(Inspection { dir: dir.clone(), _lock: dir.lock_to_read()? })
    }

    /// Who the node is.
    pub fn identity(&self) -> Result<Identity, RaftError> {
        self.dir.identity()
    }

    /// The image files, oldest first.
    pub fn images(&self) -> Result<Vec<PathBuf>, RaftError> {
        let dir = self.dir.image_dir();
        let mut found = BTreeMap::new();
        for path in files(&dir)? {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if let Some(Ok(revision)) = name.strip_prefix("image.").map(str::parse::<u64>) {
                found.insert(revision, path);
            }
        }
        Ok(found.into_values().collect())
    }

    /// Reads an image: every checksum in it, and the one beside it.
    pub fn image(&self, path: &Path) -> Result<InspectedImage, RaftError> {
        let (loaded, checksum) = image_store::load(path).map_err(|flaw| flaw.into_error(path))?;
        let last = loaded.meta.last_log_id;
        Ok(InspectedImage {
            path: path.to_owned(),
            revision: loaded.revision,
            index: last.map(|id| id.index),
            term: last.map(|id| id.leader_id.term),
            group: loaded.meta.last_membership.membership().into(),
            has_checksum: checksum != Checksum::Missing,
            catalog: loaded.catalog,
        })
    }

    /// The entries of the log in their order; all files are read before the first is handed out.
    pub fn entries(&self, mut each: impl FnMut(InspectedEntry) -> Result<(), RaftError>) -> Result<(), RaftError> {
        let dir = self.log_dir()?;
        self.read_entries(&dir, &scan::scan(&dir)?, &mut each)
    }

    fn log_dir(&self) -> Result<PathBuf, RaftError> {
        let dir = self.dir.log_dir();
        if dir.exists() { Ok(dir) } else { Err(RaftError::Damaged { path: dir, cause: "it is missing".to_owned() }) }
    }

    fn read_entries(
        &self,
        dir: &Path,
        scan: &Scan,
        each: &mut dyn FnMut(InspectedEntry) -> Result<(), RaftError>,
    ) -> Result<(), RaftError> {
        scan::entries(dir, scan, |id, frame| {
            let payload = frame.payload().map_err(|error| RaftError::Damaged {
                path: dir.to_owned(),
                cause: format!("entry {}: {error}", id.index),
            })?;
            let content = match payload {
                EntryPayload::Blank => Content::Blank,
                EntryPayload::Normal(batch) => Content::Commands(batch.0.to_vec()),
                EntryPayload::Membership(membership) => Content::Group((&membership).into()),
            };
            each(InspectedEntry { index: id.index, term: id.leader_id.term, content })
        })
    }

    /// Looks at everything. Findings in the order in which they were made.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        self.check_identity(&mut findings);
        let images = self.check_images(&mut findings);
        if let Some(newest) = images.last() {
            match self.dir.reads_version(newest.catalog.identity()) {
                Ok(true) => findings.good("image/VERSION: names the cluster of the images".to_owned()),
                Ok(false) => findings.note("image/VERSION: is lost; the next start writes it again".to_owned()),
                Err(error) => findings.problem(error.to_string()),
            }
        }
        self.check_log(&images, &mut findings);
        findings.0
    }

    fn check_identity(&self, findings: &mut Findings) {
        match self.identity() {
            Ok(Identity { node, name, role }) => findings.good(format!("image/ROLE: {role} {name}, node {node}")),
            Err(error) => findings.problem(format!("image/ROLE: {error}")),
        }
    }

    fn check_images(&self, findings: &mut Findings) -> Vec<InspectedImage> {
        let dir = self.dir.image_dir();
        let (paths, all) = match self.images().and_then(|images| Ok((images, files(&dir)?))) {
            Ok(found) => found,
            Err(error) => {
                findings.problem(error.to_string());
                return Vec::new();
            }
        };
        if paths.is_empty() {
            findings.problem(format!("{}: there is no image in it", dir.display()));
        }
        for path in
            all.iter().filter(|path| path.extension().is_some_and(|e| e == durable::TEMPORARY || e == "damaged"))
        {
            findings.note(format!("{}: is not used", path.display()));
        }
        let mut images: Vec<InspectedImage> = Vec::new();
        for path in paths {
            match self.image(&path) {
                Ok(image) => {
                    let (path, revision, index) = (path.display(), image.revision, image.index.unwrap_or_default());
                    findings.good(format!("{path}: revision {revision}, log index {index}, every checksum is right"));
                    if !image.has_checksum {
                        findings.note(format!("{path}: no checksum stands beside it; the next start writes it"));
                    }
                    images.push(image);
                }
                Err(error) => findings.problem(error.to_string()),
            }
        }
        images
    }

    fn check_log(&self, images: &[InspectedImage], findings: &mut Findings) {
        let read = || {
            let dir = self.log_dir()?;
            let scan = scan::scan(&dir)?;
            self.read_entries(&dir, &scan, &mut |_| Ok(()))?;
            Ok::<_, RaftError>((dir, scan))
        };
        let (dir, scan) = match read() {
            Ok(read) => read,
            Err(error) => return findings.problem(error.to_string()),
        };
        let (at, entries) = (dir.display(), scan.entry_count());
        findings.good(format!("{at}: {} files, {} bytes, {entries} entries, all readable", scan.files, scan.bytes));
        for torn in &scan.torn {
            let (file, bytes) = (torn.file.display(), torn.bytes);
            findings
                .note(format!("{file}: its last {bytes} bytes are an unfinished write; the next start cuts them off"));
        }
        let Some(newest) = images.last() else { return };
        let incarnation = &newest.catalog.identity().incarnation.0;
        match &scan.owner {
            Some(owner) if owner == incarnation => {}
            Some(owner) => {
                findings.problem(format!("{at}: is of incarnation {owner}, the image of incarnation {incarnation}"));
            }
            None => findings.problem(format!("{at}: says of no cluster that it is its log: the log is lost")),
        }
        let (purged, last) = (scan.purged.map(|id| id.index), scan.last.map(|id| id.index));
        let me = self.identity().map_or(NodeId(0), |identity| identity.node.id);
        for image in images {
            let (path, index) = (image.path.display(), image.index.unwrap_or_default());
            if purged > image.index {
                let purged = purged.unwrap_or_default();
                findings
                    .problem(format!("{at}: begins behind {purged}, but {path} ends at {index}: entries are missing"));
            } else if last < image.index {
                let text = format!("{at}: ends at {}, before {path}, which ends at {index}", last.unwrap_or_default());
                // Who votes alone is sent no images.
                if image.group.voters == [[me]] {
                    findings.problem(text);
                } else {
                    findings
                        .note(format!("{text}; the next start begins it there, as behind an image that was received"));
                }
            } else {
                findings.good(format!("{at}: continues {path}"));
            }
        }
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, text: String) {
        self.0.push(Finding { verdict: Verdict::Good, text });
    }

    fn note(&mut self, text: String) {
        self.0.push(Finding { verdict: Verdict::Note, text });
    }

    fn problem(&mut self, text: String) {
        self.0.push(Finding { verdict: Verdict::Problem, text });
    }
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, RaftError> {
    let entries = fs::read_dir(dir).map_err(RaftError::io("read directory", dir))?;
    let paths = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(RaftError::io("read directory", dir))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;

//! cluster_snapshot.yaml → [`RestorePlan`]. Everything that is wrong is said at once, each with the path of its key; what a
//! person has written is never guessed at, and no secret is repeated.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use serde_yaml_ng::{Mapping, Value};
use storage_model::restore::{RestoreComputeNode, RestoreFrontend, RestorePlan};
use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use storage_model::{FrontendRole, Kind, StorageVolume, VolumeId, VolumeType};
use storage_volume::check_definition;
use storage_volume::location::relative_to;
use thiserror::Error;

use crate::config::{Variables, environment, expand, volume_type};

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The file is not there or cannot be read.
    #[error("cannot read the restore plan {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no YAML.
    #[error("{file} is no YAML")]
    Syntax {
        /// The file.
        file: String,
        /// What and where.
        source: serde_yaml_ng::Error,
    },
    /// It is YAML and no plan.
    #[error("{file}: {}", problems.join("; "))]
    Wrong {
        /// The file.
        file: String,
        /// `path.of.key: what is wrong`.
        problems: Vec<String>,
    },
}

impl PlanError {
    /// What can be done about it.
    pub fn kind(&self) -> Kind {
        match self {
            PlanError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Invalid,
        }
    }
}

/// Reads a plan from a file. `home` is what `${STARKEEP_HOME}` stands for; other `${NAME}`s come from the environment.
/// Ids of volumes are 0: they are known only once the image is read.
pub fn load(file: &Path, home: &Path) -> Result<RestorePlan, PlanError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| PlanError::Unreadable { file: file.to_owned(), source })?;
    let mut variables = environment();
    for name in ["STARKEEP_HOME", "STARROCKS_HOME"] {
        variables.insert(name.to_owned(), home.display().to_string());
    }
    parse(&text, &file.display().to_string(), &variables)
}

/// Reads a plan from a text; `file` is its name in errors.
pub fn parse(text: &str, file: &str, variables: &Variables) -> Result<RestorePlan, PlanError> {
    let syntax = |source| PlanError::Syntax { file: file.to_owned(), source };
    let document: Value = serde_yaml_ng::from_str(text).map_err(syntax)?;
    let mut reader = Reader { variables, problems: Vec::new(), borrowed: BTreeMap::new() };
    let plan = reader.plan(&document);
    match plan {
        Some(plan) if reader.problems.is_empty() => Ok(plan),
        _ => Err(PlanError::Wrong { file: file.to_owned(), problems: reader.problems }),
    }
}

/// Walks a document and notes what is wrong. A part that cannot be read is None, and noted.
struct Reader<'a> {
    variables: &'a Variables,
    problems: Vec<String>,
    /// Volumes with `borrowed_by`, and what it says.
    borrowed: BTreeMap<String, String>,
}

/// A mapping with its place in the document.
struct Node<'a> {
    path: String,
    map: &'a Mapping,
}

impl Node<'_> {
    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Reader<'_> {
    fn wrong<T>(&mut self, path: &str, why: impl Display) -> Option<T> {
        let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
        self.problems.push(format!("{place}{why}"));
        None
    }

    fn plan(&mut self, document: &Value) -> Option<RestorePlan> {
        let nothing = Mapping::new();
        let known = ["cluster_snapshot", "frontends", "compute_nodes", "storage_volumes"];
        let root = match document {
            Value::Null => Node { path: String::new(), map: &nothing },
            _ => self.node(document, "", &known)?,
        };
        let snapshot = match root.map.get("cluster_snapshot") {
            None | Some(Value::Null) => self.wrong("cluster_snapshot", "is missing"),
            Some(value) => self.snapshot(value),
        };
        let frontends = self.list(&root, "frontends", Reader::frontend);
        let compute_nodes = self.list(&root, "compute_nodes", Reader::compute_node);
        let storage_volumes = self.list(&root, "storage_volumes", Reader::volume);
        if let Some(frontends) = &frontends {
            let nodes = frontends.iter().map(|node| format!("{}:{}", node.host, node.edit_log_port));
            self.no_twins("frontends", nodes);
        }
        if let Some(nodes) = &compute_nodes {
            let nodes = nodes.iter().map(|node| format!("{}:{}", node.host, node.heartbeat_service_port));
            self.no_twins("compute_nodes", nodes);
        }
        if let Some(volumes) = &storage_volumes {
            self.no_twins("storage_volumes", volumes.iter().map(|volume| volume.name.clone()));
        }
        let (snapshot_path, storage_volume_name) = snapshot?;
        let borrowed = std::mem::take(&mut self.borrowed);
        let plan =
            RestorePlan { snapshot_path, storage_volume_name, frontends, compute_nodes, storage_volumes, borrowed };
        // A volume that could not be read is not also reported as missing.
        if self.problems.is_empty() {
            self.snapshot_is_in_its_volume(&plan);
            self.snapshot_is_borrowed_too(&plan);
        }
        Some(plan)
    }

    fn snapshot(&mut self, value: &Value) -> Option<(String, String)> {
        let node = self.node(value, "cluster_snapshot", &["cluster_snapshot_path", "storage_volume_name"])?;
        let path = self.needed(&node, "cluster_snapshot_path");
        let name = self.needed(&node, "storage_volume_name");
        let scheme = path.as_deref().and_then(|path| path.split_once("://")).map(|(scheme, _)| scheme.to_lowercase());
        if let Some(path) = &path
            && scheme.as_deref().and_then(VolumeType::of_scheme).is_none()
        {
            let why = format!(
                "{path} is at no storage volume: it must be s3://bucket/..., file:///directory/... and the like"
            );
            self.wrong(&node.at("cluster_snapshot_path"), why)?;
        }
        Some((path?, name?))
    }

    fn snapshot_is_in_its_volume(&mut self, plan: &RestorePlan) {
        let name = &plan.storage_volume_name;
        match plan.storage_volumes.iter().flatten().find(|volume| volume.name == *name) {
            Some(volume) if relative_to(&plan.snapshot_path, &volume.location).is_none() => {
                let why = format!("{} is not in volume {name}, which is at {}", plan.snapshot_path, volume.location);
                self.wrong::<()>("cluster_snapshot.cluster_snapshot_path", why);
            }
            None if name != BUILTIN_STORAGE_VOLUME => {
                let why = format!("{name} is neither defined under storage_volumes nor {BUILTIN_STORAGE_VOLUME}");
                self.wrong::<()>("cluster_snapshot.storage_volume_name", why);
            }
            _ => {}
        }
    }

    /// The owner of what is borrowed keeps a snapshot in its own root: one that was copied elsewhere it does not know.
    fn snapshot_is_borrowed_too(&mut self, plan: &RestorePlan) {
        let name = &plan.storage_volume_name;
        if !plan.borrowed.is_empty() && !plan.borrowed.contains_key(name) {
            let others = plan.borrowed.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let why = format!("{name} holds the snapshot and has no borrowed_by, as {others}: borrow it too");
            self.wrong::<()>("storage_volumes", why);
        }
    }

    fn frontend(&mut self, value: &Value, path: &str) -> Option<RestoreFrontend> {
        let node = self.node(value, path, &["host", "edit_log_port", "type"])?;
        let (host, port) = (self.host(&node), self.port(&node, "edit_log_port"));
        let role = match self.text(&node, "type")?.map(|text| text.to_lowercase()).as_deref() {
            None | Some("follower") => Some(FrontendRole::Follower),
            Some("observer") => Some(FrontendRole::Observer),
            Some(other) => self.wrong(&node.at("type"), format!("{other} is neither follower nor observer")),
        };
        Some(RestoreFrontend { host: host?, edit_log_port: port?, role: role? })
    }

    fn compute_node(&mut self, value: &Value, path: &str) -> Option<RestoreComputeNode> {
        let node = self.node(value, path, &["host", "heartbeat_service_port"])?;
        let (host, port) = (self.host(&node), self.port(&node, "heartbeat_service_port"));
        Some(RestoreComputeNode { host: host?, heartbeat_service_port: port? })
    }

    fn volume(&mut self, value: &Value, path: &str) -> Option<StorageVolume> {
        let node = self.node(value, path, &["name", "type", "location", "comment", "properties", "borrowed_by"])?;
        let name = self.needed(&node, "name");
        let kind = self.needed(&node, "type").and_then(|text| match volume_type(&text) {
            Ok(kind) => Some(kind),
            Err(why) => self.wrong(&node.at("type"), why),
        });
        let location = self.needed(&node, "location");
        let comment = self.text(&node, "comment");
        let borrowed_by = self.text(&node, "borrowed_by");
        let before = self.problems.len();
        let pairs = self.list(&node, "properties", Reader::property).unwrap_or_default();
        let mut properties = BTreeMap::new();
        for (key, value) in pairs {
            if properties.insert(key.clone(), value).is_some() {
                self.wrong::<()>(&node.at("properties"), format!("{key} is there twice"));
            }
        }
        if let (Some(name), Some(Some(by))) = (&name, borrowed_by) {
            self.borrowed.insert(name.clone(), by.trim().to_owned());
        }
        let (volume_type, location) = (kind?, location?);
        if self.problems.len() == before
            && let Err(error) = check_definition(volume_type, &location, &properties)
        {
            self.wrong::<()>(path, error);
        }
        let (id, enabled) = (VolumeId(0), true);
        let comment = comment?.unwrap_or_default();
        Some(StorageVolume { id, name: name?, volume_type, location, comment, enabled, properties, borrowed: None })
    }

    fn property(&mut self, value: &Value, path: &str) -> Option<(String, String)> {
        let node = self.node(value, path, &["key", "value"])?;
        let key = self.needed(&node, "key");
        if !node.map.contains_key("value") {
            return self.wrong(&node.at("value"), "is missing");
        }
        let value = self.text(&node, "value")?.unwrap_or_default();
        Some((key?, value))
    }

    /// A mapping that has no keys but these.
    fn node<'v>(&mut self, value: &'v Value, path: &str, known: &[&str]) -> Option<Node<'v>> {
        let Value::Mapping(map) = value else {
            return self.wrong(path, format!("must be a mapping with {}", known.join(", ")));
        };
        let node = Node { path: path.to_owned(), map };
        for key in map.keys() {
            match key {
                Value::String(key) if known.contains(&key.as_str()) => {}
                Value::String(key) => {
                    self.wrong::<()>(&node.at(key), format!("is unknown (known: {})", known.join(", ")));
                }
                _ => self.wrong::<()>(path, "has a key that is no text").unwrap_or_default(),
            }
        }
        Some(node)
    }

    /// A list, or None when the key is absent or empty. Entries that cannot be read are noted and left out.
    fn list<T>(
        &mut self,
        node: &Node<'_>,
        key: &str,
        entry: fn(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let path = node.at(key);
        match node.map.get(key)? {
            Value::Null => None,
            Value::Sequence(entries) => {
                let read = |(at, value): (usize, &Value)| entry(self, value, &format!("{path}[{at}]"));
                Some(entries.iter().enumerate().filter_map(read).collect())
            }
            _ => self.wrong(&path, "must be a list ([] for none)"),
        }
    }

    /// A text, with its variables replaced. None: noted; Some(None): absent or empty.
    fn text(&mut self, node: &Node<'_>, key: &str) -> Option<Option<String>> {
        let text = match node.map.get(key) {
            None | Some(Value::Null) => return Some(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(_) => return self.wrong(&node.at(key), "must be one value"),
        };
        match expand(&text, &|name| self.variables.get(name).cloned()) {
            Ok(text) => Some(Some(text)),
            Err(why) => self.wrong(&node.at(key), why),
        }
    }

    /// A text that must be there.
    fn needed(&mut self, node: &Node<'_>, key: &str) -> Option<String> {
        match self.text(node, key)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
            Some(text) => Some(text),
            None => self.wrong(&node.at(key), "is missing"),
        }
    }

    fn host(&mut self, node: &Node<'_>) -> Option<String> {
        let host = self.needed(node, "host")?;
        if host.contains([' ', '/', ',']) {
            return self.wrong(&node.at("host"), format!("{host} is no host name or address"));
        }
        Some(host)
    }

    fn port(&mut self, node: &Node<'_>, key: &str) -> Option<u16> {
        let text = self.needed(node, key)?;
        match text.parse().ok().filter(|port| *port > 0) {
            Some(port) => Some(port),
            None => self.wrong(&node.at(key), format!("{text} is no port number from 1 to 65535")),
        }
    }

    fn no_twins(&mut self, path: &str, names: impl Iterator<Item = String>) {
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            if !seen.insert(name.clone()) {
                self.wrong::<()>(path, format!("{name} is there twice"));
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! `starkeep meta dump|check`: a frontend's meta directory, straight from its files. No frontend may have it open, and
//! nothing in it is changed.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use runtime_raft::MetaDir;
use runtime_raft::inspect::{Content, Group, InspectedEntry, InspectedImage, Inspection, Verdict};
use serde::Serialize;
use serde_json::{Map, Value, json};
use storage_catalog::{Catalog, Trash};
use storage_model::volume::is_secret;

const MASKED: &str = "******";

/// What to look for.
pub(super) enum Look {
    /// All that is in it.
    Dump {
        /// Keys, tokens and passwords too.
        secrets: bool,
    },
    /// What is wrong with it.
    Check,
}

/// Runs the command. 1: something is wrong with the directory; an error: it could not be looked at.
pub(super) fn run(directory: &Path, what: Look) -> anyhow::Result<ExitCode> {
    if !directory.is_dir() {
        anyhow::bail!("{} is no directory", directory.display());
    }
    let inspection = Inspection::open(&MetaDir::new(directory))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match what {
        Look::Dump { secrets } => dump(&inspection, secrets, &mut out).map(|()| ExitCode::SUCCESS),
        Look::Check => check(&inspection, directory, &mut out),
    };
    match done.and_then(|code| out.flush().map(|()| code).map_err(Into::into)) {
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = |e: &(dyn std::error::Error + 'static)| e.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().filter_map(cause).any(|kind| kind == io::ErrorKind::BrokenPipe)
}

fn check(inspection: &Inspection, directory: &Path, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let findings = inspection.check();
    for finding in &findings {
        let verdict = match finding.verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Problem => "PROBLEM",
        };
        writeln!(out, "{verdict:<8}{}", finding.text)?;
    }
    let problems = findings.iter().filter(|finding| finding.verdict == Verdict::Problem).count();
    if problems == 0 {
        writeln!(out, "{} is good", directory.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}: {problems} of {} findings are problems", directory.display(), findings.len())?;
    Ok(ExitCode::FAILURE)
}

/// The newest image that is whole, then the log: one fact a line.
fn dump(inspection: &Inspection, secrets: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let mut lines = Lines { out, secrets };
    let mut index = None;
    if let Some(image) = newest(inspection)? {
        index = image.index;
        lines.line("image", image_facts(&image))?;
        catalog(&image.catalog, &mut lines)?;
    }
    let mut failure = None;
    let read = inspection.entries(|entry| {
        if failure.is_none() {
            failure = lines.line("entry", entry_facts(entry, index)).err();
        }
        Ok(())
    });
    failure.map_or(Ok(()), Err)?;
    Ok(read?)
}

fn newest(inspection: &Inspection) -> anyhow::Result<Option<InspectedImage>> {
    for path in inspection.images()?.into_iter().rev() {
        match inspection.image(&path) {
            Ok(image) => return Ok(Some(image)),
            Err(error) => eprintln!("starkeep: {error}; looking at the image before it"),
        }
    }
    Ok(None)
}

fn image_facts(image: &InspectedImage) -> Value {
    let name = image.path.file_name().map(|name| name.to_string_lossy());
    json!({
        "file": name, "revision": image.revision, "index": image.index, "term": image.term,
        "group": group_facts(&image.group),
    })
}

fn group_facts(group: &Group) -> Value {
    json!({ "voters": group.voters, "nodes": group.nodes })
}

fn entry_facts(entry: InspectedEntry, imaged: Option<u64>) -> Value {
    let mut facts = Map::new();
    facts.insert("index".to_owned(), entry.index.into());
    facts.insert("term".to_owned(), entry.term.into());
    facts.insert("in_image".to_owned(), (Some(entry.index) <= imaged).into());
    match entry.content {
        Content::Blank => {}
        Content::Commands(commands) => {
            facts.insert("commands".to_owned(), json!(commands));
        }
        Content::Group(group) => {
            facts.insert("group".to_owned(), group_facts(&group));
        }
    }
    Value::Object(facts)
}

fn catalog(catalog: &Catalog, lines: &mut Lines<impl Write>) -> anyhow::Result<()> {
    lines.line("header", &catalog.header)?;
    lines.all("database", catalog.databases())?;
    lines.all("table", catalog.tables())?;
    lines.all("partition", catalog.partitions())?;
    lines.all("file", catalog.files())?;
    lines.all("volume", catalog.volumes())?;
    lines.all("frontend", catalog.frontends())?;
    lines.all("compute_node", catalog.compute_nodes())?;
    lines.all("snapshot_job", catalog.jobs())?;
    lines.all("recycle_bin", catalog.trash().map(|trash| trash_facts(trash)))?;
    let labels =
        catalog.labels().map(|((database, label), used)| json!({ "database": database, "label": label, "used": used }));
    lines.all("label", labels)?;
    lines.all("user", catalog.users())?;
    lines.all("role", catalog.roles())?;
    lines.all("config", catalog.config().map(|(key, value)| json!({ "key": key, "value": value })))
}

fn trash_facts(trash: &Trash) -> Value {
    let tables: Vec<_> = trash.tables.iter().map(AsRef::as_ref).collect();
    json!({
        "id": trash.id, "dropped_at": trash.dropped_at, "dropped_uptime": trash.dropped_uptime,
        "database": trash.database, "tables": tables, "partitions": trash.partitions,
    })
}

/// Where the lines go.
struct Lines<'a, W> {
    out: &'a mut W,
    secrets: bool,
}

impl<W: Write> Lines<'_, W> {
    fn line(&mut self, kind: &str, value: impl Serialize) -> anyhow::Result<()> {
        let mut value = serde_json::to_value(value).with_context(|| format!("{kind} as JSON"))?;
        if !self.secrets {
            mask(&mut value);
        }
        let line = Map::from_iter([(kind.to_owned(), value)]);
        serde_json::to_writer(&mut *self.out, &line).map_err(io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn all<T: Serialize>(&mut self, kind: &str, mut values: impl Iterator<Item = T>) -> anyhow::Result<()> {
        values.try_for_each(|value| self.line(kind, value))
    }
}

/// Hides every value whose name is that of a secret: as a field or a property, and as the value of a configuration key.
fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_named = fields.get("key").and_then(Value::as_str).is_some_and(is_secret);
            for (name, field) in fields {
                if (is_secret(name) || (is_named && name == "value")) && !field.is_null() {
                    *field = MASKED.into();
                } else {
                    mask(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let mut value = json!({
            "token": "hush",
            "draft": { "properties": { "aws.s3.secret_key": "hush", "aws.s3.region": "r" } },
            "commands": [{ "SetConfig": { "key": "aws_s3_access_key", "value": "hush" } }, { "key": "k", "value": "v" }],
        });
        mask(&mut value);
        let text = value.to_string();
        assert!(!text.contains("hush") && text.contains("\"r\"") && text.contains("\"v\""), "{text}");
    }
}

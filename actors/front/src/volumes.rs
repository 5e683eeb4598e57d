//! Storage volumes: CREATE with a probe by the real client, and views that never show a secret.

use actors_messages::supervisor::Preflight;
use runtime_mysql::MySqlError;
use runtime_sql::Statement;
use storage_catalog::{Catalog, Command, VolumeDraft};
use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use storage_model::{StorageVolume, VolumeId, VolumeType};
use storage_volume::check_definition;

use crate::session::Session;
use crate::sheet::{Sheet, row};
use crate::{errors, names};

/// The longest name of a volume.
const LONGEST_NAME: usize = 256;

/// Runs one of the statements of this room.
pub(crate) async fn run(session: &Session, statement: &Statement) -> Result<(), MySqlError> {
    let command = match statement {
        Statement::CreateStorageVolume { if_not_exists, name, volume_type, locations, comment, properties } => {
            let draft = draft(name, volume_type, locations, comment.as_deref(), properties)?;
            if session.catalog().volume_by_name(name).is_some() {
                return if *if_not_exists { Ok(()) } else { Err(errors::rejection(&exists(name))) };
            }
            preflight(session, probe_of(&draft)).await?;
            Command::CreateVolume { draft, if_not_exists: *if_not_exists }
        }
        Statement::AlterStorageVolume { if_exists, name, comment, properties } => {
            let catalog = session.catalog();
            let Some(volume) = catalog.volume_by_name(name) else {
                return if *if_exists { Ok(()) } else { Err(errors::rejection(&missing(name))) };
            };
            let mut altered = volume.as_ref().clone();
            altered.properties.extend(properties.0.clone());
            check_definition(altered.volume_type, &altered.location, &altered.properties)
                .map_err(MySqlError::analyzing)?;
            let mut rest = properties.0.clone();
            let enabled = rest.remove("enabled").map(|text| text.trim().eq_ignore_ascii_case("true"));
            if !rest.is_empty() {
                preflight(session, altered).await?;
            }
            Command::AlterVolume { name: name.clone(), comment: comment.clone(), enabled, properties: rest }
        }
        Statement::DropStorageVolume { if_exists, name } => {
            Command::DropVolume { name: name.clone(), if_exists: *if_exists }
        }
        Statement::SetDefaultStorageVolume { name } => Command::SetDefaultVolume { name: name.clone() },
        other => return Err(errors::unsupported(other.statement_kind())),
    };
    session.front().propose(command).await.map(|_| ())
}

fn exists(name: &str) -> storage_catalog::Rejection {
    storage_catalog::Rejection::VolumeExists(name.to_owned())
}

fn missing(name: &str) -> storage_catalog::Rejection {
    storage_catalog::Rejection::NoSuchVolume(name.to_owned())
}

/// The volume that a CREATE describes. No error quotes a property's value.
fn draft(
    name: &str,
    volume_type: &str,
    locations: &[String],
    comment: Option<&str>,
    properties: &runtime_sql::statement::Properties,
) -> Result<VolumeDraft, MySqlError> {
    names::check_new("storage volume", name, LONGEST_NAME)?;
    if name.eq_ignore_ascii_case(BUILTIN_STORAGE_VOLUME) {
        return Err(MySqlError::analyzing(format_args!(
            "{BUILTIN_STORAGE_VOLUME} is described by fe.conf and can not be created"
        )));
    }
    let volume_type = VolumeType::parse(volume_type)
        .ok_or_else(|| MySqlError::analyzing(format_args!("Unknown storage volume type: {volume_type}")))?;
    let [location] = locations else {
        return Err(match locations.is_empty() {
            true => MySqlError::analyzing("a storage volume needs a location"),
            false => errors::unsupported("a storage volume of several locations"),
        });
    };
    check_definition(volume_type, location, properties).map_err(MySqlError::analyzing)?;
    let mut properties = properties.0.clone();
    // As in StarRocks: a volume takes nothing until it is said to be enabled.
    let enabled = properties.remove("enabled").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let comment = comment.unwrap_or_default().to_owned();
    Ok(VolumeDraft { name: name.to_owned(), volume_type, location: location.clone(), comment, enabled, properties })
}

/// A draft as the prober wants it; it has no id yet.
fn probe_of(draft: &VolumeDraft) -> StorageVolume {
    StorageVolume {
        id: VolumeId(0),
        name: draft.name.clone(),
        volume_type: draft.volume_type,
        location: draft.location.clone(),
        comment: draft.comment.clone(),
        enabled: draft.enabled,
        borrowed: None,
        properties: draft.properties.clone(),
    }
}

/// Writes, reads, lists and deletes a probe; what went wrong is for the user as it stands.
pub(crate) async fn preflight(session: &Session, volume: StorageVolume) -> Result<(), MySqlError> {
    let name = volume.name.clone();
    match session.front().preflight.ask(Preflight { volume }).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(cause)) => Err(MySqlError::common(format_args!("storage volume '{name}' can not be used: {cause}"))),
        Err(lost) => Err(errors::ask(&lost, "snapshot job supervisor, which probes storage volumes,", false)),
    }
}

/// DESC STORAGE VOLUME. One whose root is another cluster's says so among its parameters.
pub(crate) fn describe(catalog: &Catalog, name: &str) -> Result<Sheet, MySqlError> {
    let volume = catalog.volume_by_name(name).ok_or_else(|| errors::rejection(&missing(name)))?;
    let mut params = volume.masked_properties();
    if let Some(loan) = &volume.borrowed {
        params.insert("borrowed".to_owned(), format!("for snapshot {}, revision {}", loan.snapshot, loan.cut));
    }
    let params = serde_json::to_string(&params).unwrap_or_default();
    let is_default = catalog.header.default_volume == Some(volume.id);
    let columns = ["Name", "Type", "IsDefault", "Location", "Params", "Enabled", "Comment"];
    Ok(Sheet::text(&columns).with(row![
        &volume.name,
        volume.volume_type.to_string(),
        is_default,
        &volume.location,
        params,
        volume.enabled,
        &volume.comment,
    ]))
}

/// SHOW STORAGE VOLUMES.
pub(crate) fn list(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::text(&["Storage Volume"]);
    let mut names: Vec<&String> = catalog.volumes().map(|volume| &volume.name).collect();
    names.sort_unstable();
    names.into_iter().for_each(|name| sheet.push(row![name]));
    sheet
}

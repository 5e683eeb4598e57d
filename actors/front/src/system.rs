//! ALTER SYSTEM and ADMIN SET: nodes, images, configuration.

use std::time::Duration;

use actors_messages::checkpointer::CreateImage;
use actors_messages::leader::ProposeFailure;
use actors_messages::nodes::BeatNow;
use runtime_mysql::MySqlError;
use runtime_sql::Statement;
use storage_catalog::{Command, Rejection};
use storage_model::FrontendRole;

use crate::errors;
use crate::session::Session;
use crate::settings::SetFailure;
use crate::sheet::{Sheet, row};

/// How long a host name may take to be looked up.
const LOOKUP: Duration = Duration::from_secs(3);
/// How long the first heartbeat of a new node is waited for; it comes alive later as well.
const FIRST_BEAT: Duration = Duration::from_secs(5);
/// How long an image may take to be durable.
const IMAGE: Duration = Duration::from_secs(300);

/// Runs one of the statements of this room.
pub(crate) async fn run(session: &Session, statement: &Statement) -> Result<(), MySqlError> {
    match statement {
        Statement::AlterSystemAddComputeNode { nodes } => add_compute_nodes(session, nodes).await,
        Statement::AlterSystemDropComputeNode { nodes } => drop_compute_nodes(session, nodes).await,
        Statement::AlterSystemAddFrontend { role, nodes } => add_frontends(session, *role, nodes).await,
        Statement::AlterSystemDropFrontend { role, nodes } => drop_frontends(session, *role, nodes).await,
        Statement::AlterSystemCreateImage => create_image(session).await,
        Statement::AdminSetFrontendConfig { key, value, persistent } => {
            set_config(session, key, value, *persistent).await
        }
        other => Err(errors::unsupported(other.statement_kind())),
    }
}

/// `host:port`, where the host may be an IPv6 address in brackets.
fn host_port(text: &str) -> Result<(String, u16), MySqlError> {
    let wrong = || MySqlError::analyzing(format_args!("Invalid host port: {text}"));
    let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    let port: u16 = port.trim().parse().map_err(|_| wrong())?;
    let sane = !host.is_empty() && port > 0 && !host.chars().any(|c| c.is_whitespace() || c.is_control());
    if sane { Ok((host.to_owned(), port)) } else { Err(wrong()) }
}

async fn add_compute_nodes(session: &Session, nodes: &[String]) -> Result<(), MySqlError> {
    let nodes = nodes.iter().map(|text| host_port(text)).collect::<Result<Vec<_>, _>>()?;
    let catalog = session.catalog();
    // All are looked at before the first is added.
    for (host, port) in &nodes {
        if catalog.compute_nodes().any(|n| n.host == *host && n.heartbeat_port == *port) {
            return Err(errors::rejection(&Rejection::ComputeNodeExists(format!("{host}:{port}"))));
        }
        resolve(host, *port).await?;
    }
    for (host, heartbeat_port) in nodes {
        session.front().propose(Command::AddComputeNode { host, heartbeat_port }).await?;
    }
    if let Err(late) = session.front().beat.ask_within(BeatNow, FIRST_BEAT).await {
        tracing::debug!(%late, "the first heartbeat of a new compute node is still out");
    }
    Ok(())
}

async fn resolve(host: &str, port: u16) -> Result<(), MySqlError> {
    let unknown = |why: String| MySqlError::analyzing(format_args!("Unknown host: {host} ({why})"));
    match tokio::time::timeout(LOOKUP, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => match addresses.count() {
            0 => Err(unknown("it has no address".to_owned())),
            _ => Ok(()),
        },
        Ok(Err(error)) => Err(unknown(error.to_string())),
        Err(_) => Err(unknown("the look-up takes too long".to_owned())),
    }
}

async fn drop_compute_nodes(session: &Session, nodes: &[String]) -> Result<(), MySqlError> {
    let nodes = nodes.iter().map(|text| host_port(text)).collect::<Result<Vec<_>, _>>()?;
    let catalog = session.catalog();
    for (host, port) in &nodes {
        if !catalog.compute_nodes().any(|n| n.host == *host && n.heartbeat_port == *port) {
            return Err(errors::rejection(&Rejection::UnknownComputeNode(format!("{host}:{port}"))));
        }
    }
    for (host, heartbeat_port) in nodes {
        session.front().propose(Command::DropComputeNode { host, heartbeat_port }).await?;
    }
    Ok(())
}

/// The node itself joins when it is started with --helper; SHOW FRONTENDS says how far it is.
async fn add_frontends(session: &Session, role: FrontendRole, nodes: &[String]) -> Result<(), MySqlError> {
    let nodes = nodes.iter().map(|text| host_port(text)).collect::<Result<Vec<_>, _>>()?;
    let catalog = session.catalog();
    for (host, port) in &nodes {
        if let Some(known) = catalog.frontends().find(|known| known.host == *host && known.edit_log_port == *port) {
            return Err(errors::rejection(&Rejection::FrontendExists(known.name.clone())));
        }
        resolve(host, *port).await?;
    }
    for (host, edit_log_port) in nodes {
        session.front().propose(Command::AddFrontend { host, edit_log_port, role }).await?;
    }
    Ok(())
}

async fn drop_frontends(session: &Session, role: FrontendRole, nodes: &[String]) -> Result<(), MySqlError> {
    let nodes = nodes.iter().map(|text| host_port(text)).collect::<Result<Vec<_>, _>>()?;
    for (host, edit_log_port) in nodes {
        let front = session.front();
        let Some(leader) = (front.leader)() else { return Err(errors::propose(&ProposeFailure::NotLeader)) };
        front.propose(Command::DropFrontend { host, edit_log_port, role, leader }).await?;
    }
    Ok(())
}

async fn create_image(session: &Session) -> Result<(), MySqlError> {
    match session.front().create_image.ask_within(CreateImage, IMAGE).await {
        Ok(Ok(revision)) => {
            tracing::info!(%revision, "finished save image by ALTER SYSTEM CREATE IMAGE");
            Ok(())
        }
        Ok(Err(cause)) => Err(MySqlError::common(format_args!("the image could not be made: {cause}"))),
        Err(lost) => Err(errors::ask(&lost, "checkpointer", false)),
    }
}

async fn set_config(session: &Session, key: &str, value: &str, persistent: bool) -> Result<(), MySqlError> {
    let settings = &session.front().settings;
    let failed = |failure: SetFailure| match failure {
        SetFailure::NotMutable => MySqlError::config_not_mutable(key),
        SetFailure::Invalid(why) => MySqlError::set_config_failed(why),
    };
    settings.check(key, value).map_err(failed)?;
    if persistent {
        session.front().propose(Command::SetConfig { key: key.to_owned(), value: value.to_owned() }).await?;
    }
    settings.set(key, value).map_err(failed)
}

/// ADMIN SHOW FRONTEND CONFIG.
pub(crate) fn show_config(session: &Session) -> Sheet {
    let mut sheet = Sheet::text(&["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"]);
    let mut rows = session.front().settings.entries();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    for entry in rows {
        let aliases = format!("[{}]", entry.aliases.join(", "));
        sheet.push(row![entry.key, aliases, entry.value, entry.value_type, entry.mutable, entry.comment]);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        assert_eq!(host_port(" cn1:9050 ").unwrap(), ("cn1".to_owned(), 9050));
        assert_eq!(host_port("[::1]:9050").unwrap(), ("::1".to_owned(), 9050));
        for bad in ["", "cn1", ":9050", "cn1:", "cn1:0", "cn1:65536", "cn1:x", "a b:1"] {
            assert_eq!(host_port(bad).unwrap_err().code, 1064, "{bad}");
        }
    }
}

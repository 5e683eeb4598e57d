//! `GET` and `POST /api/v2/actions`: buttons of the dashboard. Each is one SQL statement, run as the user who is logged in;
//! there is a button only for what this server's SQL has.

use std::net::{IpAddr, Ipv4Addr};

use actors_front::Desk;
use runtime_http::{Asked, PageError};
use serde_json::{Value, json};

/// What a button needs to know besides its name.
#[derive(Clone, Copy)]
enum Needs {
    /// A number: a connection id.
    Number,
    /// A name, quoted.
    Name,
}

/// One button.
struct Action {
    action: &'static str,
    label: &'static str,
    /// `{parameter}` stands where something is filled in.
    statement: &'static str,
    needs: Option<(&'static str, Needs)>,
    danger: bool,
    on: &'static str,
}

const ACTIONS: [Action; 8] = [
    Action {
        action: "snapshots_on",
        label: "Turn automated snapshots on",
        statement: "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON",
        needs: None,
        danger: false,
        on: "snapshots",
    },
    Action {
        action: "snapshots_off",
        label: "Turn automated snapshots off",
        statement: "ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF",
        needs: None,
        danger: true,
        on: "snapshots",
    },
    Action {
        action: "snapshot_now",
        label: "Snapshot now",
        statement: "CREATE CLUSTER SNAPSHOT {name}",
        needs: Some(("name", Needs::Name)),
        danger: false,
        on: "snapshots",
    },
    Action {
        action: "snapshot_cancel",
        label: "Cancel",
        statement: "CANCEL CLUSTER SNAPSHOT {name}",
        needs: Some(("name", Needs::Name)),
        danger: true,
        on: "snapshots",
    },
    Action {
        action: "snapshot_verify",
        label: "Verify",
        statement: "ADMIN VERIFY CLUSTER SNAPSHOT {name}",
        needs: Some(("name", Needs::Name)),
        danger: false,
        on: "snapshots",
    },
    Action {
        action: "kill_query",
        label: "Stop the statement",
        statement: "KILL QUERY {connection_id}",
        needs: Some(("connection_id", Needs::Number)),
        danger: true,
        on: "queries",
    },
    Action {
        action: "create_image",
        label: "Write a metadata image",
        statement: "ALTER SYSTEM CREATE IMAGE",
        needs: None,
        danger: false,
        on: "cluster",
    },
    Action {
        action: "finish_restore",
        label: "Finish the restore",
        statement: "ADMIN FINISH RESTORE",
        needs: None,
        danger: true,
        on: "cluster",
    },
];

impl Action {
    /// The statement with what the body gives filled in.
    fn written(&self, body: &Value) -> Result<String, PageError> {
        let Some((parameter, needs)) = self.needs else { return Ok(self.statement.to_owned()) };
        let given = match &body[parameter] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(PageError::Bad(format!("the action {} needs {parameter:?}", self.action), None)),
        };
        let value = match needs {
            Needs::Number => match given.parse::<u64>() {
                Ok(number) => number.to_string(),
                Err(_) => return Err(PageError::Bad(format!("{parameter} = {given:?} is not a number"), None)),
            },
            Needs::Name => quoted(&given),
        };
        Ok(self.statement.replace(&format!("{{{parameter}}}"), &value))
    }

    /// Asked of the parser: a statement that is added to it has its button at once.
    fn is_supported(&self, desk: &Desk) -> bool {
        let example = self.needs.map_or(json!({}), |(parameter, _)| json!({ parameter: "1" }));
        self.written(&example).is_ok_and(|statement| desk.supports(&statement))
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What this server supports now.
pub(super) fn list(desk: &Desk) -> Value {
    let supported = ACTIONS.iter().filter(|action| action.is_supported(desk)).map(|action| {
        json!({
            "action": action.action,
            "label": action.label,
            "statement": action.statement,
            "danger": action.danger,
            "for": action.on,
        })
    });
    Value::Array(supported.collect())
}

/// Runs the statement of one action.
pub(super) async fn run(desk: &Desk, asked: Asked) -> Result<Value, PageError> {
    let name = asked.body["action"].as_str().unwrap_or_default();
    let known = ACTIONS.iter().find(|action| action.action == name);
    let action = known.ok_or_else(|| PageError::Bad(format!("there is no action {name:?}"), None))?;
    let statement = action.written(&asked.body)?;
    if !action.is_supported(desk) {
        return Err(PageError::Bad(format!("{statement} is not supported yet"), None));
    }
    let from = asked.from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    tracing::info!(user = asked.user, %from, statement, "a statement is run from the dashboard");
    match desk.run(&asked.user, from, &statement).await {
        Ok(done) => Ok(json!({
            "status": "OK",
            "statement": statement,
            "columns": done.columns,
            "rows": done.rows,
            "msg": done.info.info,
        })),
        Err(error) => Err(PageError::Bad(error.message, Some(error.code))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_cannot_end_the_statement() {
        let find = |name: &str| ACTIONS.iter().find(|action| action.action == name).unwrap();
        let cancel = find("snapshot_cancel").written(&json!({ "name": "a`; DROP DATABASE b; --" })).unwrap();
        assert_eq!(cancel, "CANCEL CLUSTER SNAPSHOT `a``; DROP DATABASE b; --`");
        assert_eq!(find("kill_query").written(&json!({ "connection_id": 7 })).unwrap(), "KILL QUERY 7");
        assert_eq!(find("kill_query").written(&json!({ "connection_id": "8" })).unwrap(), "KILL QUERY 8");
        for bad in [json!({}), json!({ "connection_id": "7; x" }), json!({ "connection_id": -1 }), json!(null)] {
            assert!(find("kill_query").written(&bad).is_err(), "{bad}");
        }
        assert_eq!(find("finish_restore").written(&Value::Null).unwrap(), "ADMIN FINISH RESTORE");
    }

    #[test]
    fn every_action_has_a_name_of_its_own_and_a_place() {
        let names: std::collections::BTreeSet<_> = ACTIONS.iter().map(|action| action.action).collect();
        assert_eq!(names.len(), ACTIONS.len());
        assert!(ACTIONS.iter().all(|action| ["snapshots", "queries", "cluster"].contains(&action.on)));
    }
}

//! Views live among tables, under names that both share.

use storage_model::{DataType, ViewColumn};

use super::*;
use crate::command::{ViewDraft, ViewPut};

fn draft(name: &str, query: &str) -> ViewDraft {
    let column = ViewColumn {
        name: "n".into(),
        label: "k".into(),
        data_type: DataType::Int,
        nullable: true,
        comment: String::new(),
    };
    let home = Some("shop".to_owned());
    ViewDraft {
        name: name.into(),
        columns: vec![column],
        query: query.into(),
        home,
        invoker: false,
        comment: "c".into(),
    }
}

fn put(name: &str, query: &str, how: ViewPut) -> Command {
    Command::PutView { database: "shop".into(), draft: draft(name, query), how }
}

fn drop_view(name: &str, if_exists: bool) -> Command {
    Command::DropView { database: "shop".into(), name: name.into(), if_exists }
}

fn query(kit: &Kit, name: &str) -> Option<String> {
    let database = kit.catalog.database_by_name("shop")?;
    kit.catalog.view_by_name(database.id, name).map(|view| view.query.clone())
}

#[test]
fn a_view_is_made_replaced_changed_and_dropped() {
    let mut kit = Kit::new();
    let Outcome::Table(id) = kit.ok(put("v", "SELECT 1", ViewPut::Create)) else { panic!("no id") };
    assert_eq!(kit.refused(put("v", "SELECT 2", ViewPut::Create)), Rejection::TableExists("v".into()));
    assert_eq!(kit.ok(put("v", "SELECT 2", ViewPut::CreateIfNotExists)), Outcome::Nothing);
    assert_eq!(query(&kit, "v").unwrap(), "SELECT 1");
    assert_eq!(kit.ok(put("v", "SELECT 3", ViewPut::Replace)), Outcome::Table(id));
    assert_eq!(kit.ok(put("v", "SELECT 4", ViewPut::Alter)), Outcome::Table(id));
    assert_eq!(query(&kit, "v").unwrap(), "SELECT 4");
    assert_eq!(kit.refused(put("w", "SELECT 1", ViewPut::Alter)), Rejection::UnknownTable("shop.w".into()));
    kit.ok(drop_view("v", false));
    assert_eq!(query(&kit, "v"), None);
    assert_eq!(kit.refused(drop_view("v", false)), Rejection::UnknownTable("shop.v".into()));
    assert_eq!(kit.ok(drop_view("v", true)), Outcome::Nothing);
}

#[test]
fn grants_on_a_view_end_with_it() {
    use storage_model::{Grant, GrantObject, Privilege, RelationKind, UserName};

    use crate::access::{AccessChange, Grantee, UserDraft};
    let mut kit = Kit::new();
    let Outcome::Table(id) = kit.ok(put("v", "SELECT 1", ViewPut::Create)) else { panic!("no id") };
    let database = kit.catalog.database_by_name("shop").unwrap().id;
    let name = || UserName { name: "ann".into(), host: "%".into() };
    let draft = UserDraft { name: name(), password: None, default_roles: Vec::new(), max_connections: None };
    kit.ok(Command::Access(AccessChange::CreateUser { draft, if_not_exists: false }));
    let object = GrantObject::Relation(RelationKind::View, database, id);
    let grants = vec![Grant { object, privilege: Privilege::Select, grantable: false }];
    kit.ok(Command::Access(AccessChange::Grant { grants, to: Grantee::User(name()) }));
    assert_eq!(kit.catalog.user_by_name(&name()).unwrap().grants.len(), 1);
    kit.ok(drop_view("v", false));
    assert_eq!(invariant::check(&kit.catalog), Ok(()));
    assert_eq!(kit.catalog.user_by_name(&name()).unwrap().grants.len(), 0);
}

#[test]
fn tables_and_views_share_their_names() {
    let mut kit = Kit::new();
    kit.ok(create_table(plain("t")));
    kit.ok(put("v", "SELECT 1", ViewPut::Create));
    assert_eq!(kit.refused(put("t", "SELECT 1", ViewPut::Replace)), Rejection::TableExists("t".into()));
    assert_eq!(kit.refused(create_table(plain("v"))), Rejection::TableExists("v".into()));
    let wrong = |text: &str| Rejection::WrongObject(text.to_owned());
    assert_eq!(kit.refused(put("t", "SELECT 1", ViewPut::Alter)), wrong("'shop.t' is not VIEW"));
    assert_eq!(kit.refused(drop_view("t", true)), wrong("'shop.t' is not VIEW"));
    let rename = Command::RenameTable { database: "shop".into(), table: "t".into(), new_name: "v".into() };
    assert_eq!(kit.refused(rename), Rejection::NameRule("Table name[v] is already used".into()));
    kit.ok(Command::DropTable { database: "shop".into(), table: "t".into(), if_exists: false, force: false });
    kit.ok(put("t", "SELECT 1", ViewPut::Create));
    let recover = Command::RecoverTable { database: "shop".into(), table: "t".into() };
    assert_eq!(kit.refused(recover), Rejection::TableExists("t".into()));
}

#[test]
fn views_go_and_come_with_their_database_and_through_an_image() {
    let mut kit = Kit::new();
    kit.ok(put("v", "SELECT 1", ViewPut::Create));
    kit.ok(Command::DropDatabase { name: "shop".into(), if_exists: false, force: false });
    assert_eq!(query(&kit, "v"), None);
    assert_eq!(kit.catalog.views().count(), 0);
    let again = |kit: &Kit| {
        let sections = images::encode(&kit.catalog, images::Secrets::Omit).unwrap();
        let bytes: Vec<_> = sections.iter().map(|section| &section.bytes).collect();
        images::decode(&bytes).unwrap()
    };
    kit.catalog = again(&kit);
    kit.ok(Command::RecoverDatabase { name: "shop".into() });
    assert_eq!(query(&kit, "v").unwrap(), "SELECT 1");
    kit.catalog = again(&kit);
    assert_eq!(query(&kit, "v").unwrap(), "SELECT 1");
    assert_eq!(invariant::check(&kit.catalog), Ok(()));
    kit.ok(Command::DropDatabase { name: "shop".into(), if_exists: false, force: true });
    kit.ok(Command::CreateDatabase { name: "shop".into(), volume: None, if_not_exists: false });
    assert_eq!(query(&kit, "v"), None);
}

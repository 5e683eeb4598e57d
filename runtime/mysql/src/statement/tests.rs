//! Tests of binding values: against a client's encoder, in pieces, over the limits, and with any bytes.

use super::*;
use mysql_common::packets::ComStmtExecuteRequestBuilder;
use mysql_common::proto::MySerialize;
use proptest::prelude::*;

fn statements() -> Statements {
    Statements::new(10, 1000)
}

/// What a client sends after the command byte and the statement's number.
fn body(values: &[Value]) -> Vec<u8> {
    let (request, _) = ComStmtExecuteRequestBuilder::new(1).build(values);
    let mut bytes = Vec::new();
    request.serialize(&mut bytes);
    bytes[5..].to_vec()
}

#[test]
fn values_of_every_kind_come_back() {
    let values = [
        Value::NULL,
        Value::Bytes("größe".as_bytes().to_vec()),
        Value::Int(-5),
        Value::UInt(u64::MAX),
        Value::Float(1.5),
        Value::Double(-2.25),
        Value::Date(2024, 2, 29, 12, 5, 9, 1_020),
        Value::Time(true, 3, 1, 2, 3, 4),
        Value::NULL,
    ];
    let mut statements = statements();
    let id = statements.insert("select ?", values.len()).unwrap();
    let (sql, bound) = statements.bind(id, &body(&values)).unwrap();
    assert_eq!(&*sql, "select ?");
    assert_eq!(bound, values);
}

#[test]
fn types_are_remembered_until_they_are_bound_anew() {
    let mut statements = statements();
    let id = statements.insert("select ?", 1).unwrap();
    let first = body(&[Value::Int(7)]);
    // The same without types: flag 0 instead of 1, and no types.
    let mut again = first.clone();
    let flag = again.len() - 8 - 2 - 1;
    again[flag] = 0;
    again.drain(flag + 1..flag + 3);
    assert_eq!(statements.bind(id, &again), Err(MySqlError::wrong_arguments("mysqld_stmt_execute")));
    statements.bind(id, &first).unwrap();
    assert_eq!(statements.bind(id, &again).unwrap().1, [Value::Int(7)]);
}

#[test]
fn values_in_pieces() {
    let mut statements = statements();
    let id = statements.insert("select ?, ?", 2).unwrap();
    statements.add_piece(id, 1, b"long ");
    statements.add_piece(id, 1, b"data");
    // The client binds a type for the value in pieces, and sends no value.
    let mut bytes = vec![0, 1, 0, 0, 0, 0, 1];
    bytes.extend_from_slice(&[ColumnType::MYSQL_TYPE_TINY as u8, 0, ColumnType::MYSQL_TYPE_BLOB as u8, 0, 9]);
    assert_eq!(statements.bind(id, &bytes).unwrap().1, [Value::Int(9), Value::Bytes(b"long data".to_vec())]);
    // The pieces are used up.
    assert_eq!(statements.bind(id, &bytes), Err(MySqlError::malformed_packet()));
    statements.add_piece(id, 1, b"again");
    statements.reset(id).unwrap();
    assert_eq!(statements.bind(id, &bytes), Err(MySqlError::malformed_packet()));
    assert_eq!(statements.bytes, "select ?, ?".len());
}

#[test]
fn limits() {
    let mut statements = statements();
    let id = statements.insert("select ?", 1).unwrap();
    statements.add_piece(id, 0, &[1; 600]);
    statements.add_piece(id, 0, &[1; 600]);
    assert_eq!(statements.bind(id, &body(&[Value::NULL])), Err(MySqlError::packet_too_large()));
    assert_eq!(statements.bind(id, &body(&[Value::NULL])).unwrap().1, [Value::NULL]);
    statements.add_piece(id, 3, b"no such parameter");
    assert_eq!(
        statements.bind(id, &body(&[Value::NULL])),
        Err(MySqlError::wrong_arguments("mysqld_stmt_send_long_data"))
    );
    statements.add_piece(77, 0, b"no such statement");
    assert_eq!(statements.insert("many", 65_536), Err(MySqlError::too_many_parameters()));
    for _ in 1..10 {
        statements.insert("select 1", 0).unwrap();
    }
    assert_eq!(statements.insert("select 1", 0), Err(MySqlError::too_many_statements(10)));
    statements.close(id);
    assert_eq!(statements.bind(id, &[]), Err(MySqlError::unknown_statement(id, "mysqld_stmt_execute")));
    assert_eq!(statements.reset(id), Err(MySqlError::unknown_statement(id, "mysqld_stmt_reset")));
    let again = statements.insert("select 1", 0).unwrap();
    assert_ne!(again, id, "a number is not used again at once");
    assert_eq!(statements.bind(again, &[0, 1, 0, 0, 0]).unwrap().1, []);
}

#[test]
fn texts_are_bounded_together() {
    let mut statements = statements();
    let large = "x".repeat(999);
    let ids: Vec<u32> = (0..4).map(|_| statements.insert(&large, 0).unwrap()).collect();
    assert_eq!(statements.insert(&large, 0), Err(MySqlError::too_many_statements(10)));
    statements.close(ids[0]);
    statements.insert(&large, 0).unwrap();
    statements.clear();
    assert_eq!((statements.bytes, statements.by_id.len()), (0, 0));
}

proptest! {
    #[test]
    fn any_body(bytes in prop::collection::vec(any::<u8>(), 0..100), params in 0usize..20) {
        let mut statements = statements();
        let id = statements.insert("select ?", params).unwrap();
        if let Ok((_, values)) = statements.bind(id, &bytes) {
            prop_assert_eq!(values.len(), params);
        }
    }

    /// Any types with any values: bound or refused, never a panic in the decoder.
    #[test]
    fn any_types(types in prop::collection::vec(any::<(u8, u8)>(), 1..8), values in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut statements = statements();
        let id = statements.insert("select ?", types.len()).unwrap();
        let mut bytes = vec![0, 1, 0, 0, 0, 0, 1];
        bytes.extend(types.iter().flat_map(|(code, flags)| [*code, *flags]));
        bytes.extend_from_slice(&values);
        let _ = statements.bind(id, &bytes);
    }
}

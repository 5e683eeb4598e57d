"""PyMySQL: parameters of all kinds, cursors, transactions, errors, a server side cursor over many rows, statements together."""

import datetime
import decimal
import os

import pymysql
import pymysql.constants.CLIENT
import pymysql.cursors

WHERE = {"host": os.environ["STARKEEP_HOST"], "port": int(os.environ["STARKEEP_PORT"]), "user": "root"}


def main() -> None:
    connection = pymysql.connect(**WHERE, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    cursor = connection.cursor()
    cursor.execute("DROP DATABASE IF EXISTS client_pymysql")
    cursor.execute("CREATE DATABASE client_pymysql")
    connection.select_db("client_pymysql")
    cursor.execute(
        "CREATE TABLE t (id BIGINT NOT NULL, small TINYINT, big LARGEINT, price DECIMAL(20, 4), ratio DOUBLE, day DATE,"
        " at DATETIME, name VARCHAR(100), raw VARBINARY, yes BOOLEAN, doc JSON) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)"
    )
    rows = [
        (1, -128, 2**100, decimal.Decimal("-1234.5678"), 0.1, datetime.date(2026, 2, 28), datetime.datetime(2026, 2, 28, 23, 59, 59, 999999), "it's \\ \"ü\" 漢字 🙂\n%s", b"\x00\xff'\\", True, '{"k": "v"}'),
        (2, None, None, None, None, None, None, None, None, None, None),
    ]
    insert = "INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, parse_json(%s))"
    assert cursor.executemany(insert, rows) == 2
    connection.commit()
    cursor.execute("SELECT * FROM t ORDER BY id")
    found = cursor.fetchall()
    first, second = list(found[0]), list(found[1])
    assert first[0:2] == [1, -128] and int(first[2]) == 2**100, first
    assert first[3:8] == list(rows[0][3:8]), first
    assert first[8] == b"\x00\xff'\\" and first[9] == 1, first
    assert second == [2] + [None] * 10, second
    assert [column[0] for column in cursor.description] == ["id", "small", "big", "price", "ratio", "day", "at", "name", "raw", "yes", "doc"]

    try:
        cursor.execute("SELECT * FROM nothing")
        raise AssertionError("an unknown table was no error")
    except pymysql.err.MySQLError as error:
        assert error.args[0] == 5502 and "nothing" in error.args[1], error.args
    cursor.execute("SELECT 1; SELECT 2")
    assert cursor.fetchall() == ((1,),) and cursor.nextset() and cursor.fetchall() == ((2,),)

    connection.begin()
    cursor.execute("INSERT INTO t (id) VALUES (3)")
    connection.rollback()
    connection.begin()
    cursor.execute("INSERT INTO t (id) VALUES (4)")
    connection.commit()
    cursor.execute("SELECT id FROM t ORDER BY id")
    assert cursor.fetchall() == ((1,), (2,), (4,))

    with connection.cursor(pymysql.cursors.SSDictCursor) as stream:
        stream.execute("SELECT g, concat('row ', g) AS name FROM TABLE(generate_series(1, 100000)) s(g) ORDER BY g")
        total = sum(row["g"] for row in stream)
    assert total == 100_000 * 100_001 // 2
    long = "x" * 5_000_000
    cursor.execute("SELECT length(%s)", (long,))
    assert cursor.fetchone() == (5_000_000,)
    connection.ping()
    cursor.execute("DROP DATABASE client_pymysql FORCE")
    connection.close()


if __name__ == "__main__":
    main()

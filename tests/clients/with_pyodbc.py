"""MariaDB's ODBC driver through pyodbc: types, prepared statements, several rows at once, error codes."""

import datetime
import decimal
import os
import pathlib

import pyodbc

# Where Debian's package odbc-mariadb has the driver; ODBC takes a path in place of a name.
DRIVER = next(pathlib.Path("/usr/lib").glob("*/odbc/libmaodbc.so"))


def main() -> None:
    where = f"SERVER={os.environ['STARKEEP_HOST']};PORT={os.environ['STARKEEP_PORT']};UID=root"
    connection = pyodbc.connect(f"DRIVER={DRIVER};{where};CHARSET=utf8mb4", autocommit=True)
    cursor = connection.cursor()
    cursor.execute("DROP DATABASE IF EXISTS client_pyodbc")
    cursor.execute("CREATE DATABASE client_pyodbc")
    cursor.execute("USE client_pyodbc")
    cursor.execute(
        "CREATE TABLE t (id BIGINT NOT NULL, small TINYINT, price DECIMAL(12, 3), ratio DOUBLE, day DATE, at DATETIME,"
        " name VARCHAR(100)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)"
    )
    rows = [
        (1, -128, decimal.Decimal("-1234.567"), 0.25, datetime.date(2026, 2, 28), datetime.datetime(2026, 2, 28, 23, 59, 59), "it's ü 漢字"),
        (2, None, None, None, None, None, None),
    ]
    cursor.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    found = [tuple(row) for row in cursor.execute("SELECT * FROM t ORDER BY id").fetchall()]
    assert found == rows, found
    for row in rows:
        assert cursor.execute("SELECT name FROM t WHERE id = ?", row[0]).fetchone()[0] == row[6]
    assert "t" in [table.table_name for table in cursor.tables(catalog="client_pyodbc")]
    try:
        cursor.execute("SELECT * FROM nothing")
        raise AssertionError("an unknown table was no error")
    except pyodbc.Error as error:
        assert "(5502)" in error.args[1], error.args
    cursor.execute("SELECT count(*) FROM t")
    assert cursor.fetchone()[0] == 2
    cursor.execute("DROP DATABASE client_pyodbc FORCE")
    connection.close()


main()

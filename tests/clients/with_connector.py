"""mysql-connector-python (pure and, where it is there, the C extension): prepared statements, pools and their resets, transactions."""

import datetime
import decimal
import os

import mysql.connector
import mysql.connector.pooling

WHERE = {"host": os.environ["STARKEEP_HOST"], "port": int(os.environ["STARKEEP_PORT"]), "user": "root", "ssl_disabled": True}


def check(pure: bool) -> None:
    pool = mysql.connector.pooling.MySQLConnectionPool(pool_size=2, pool_name=f"p{pure}", use_pure=pure, **WHERE)
    connection = pool.get_connection()
    cursor = connection.cursor()
    cursor.execute("DROP DATABASE IF EXISTS client_connector")
    cursor.execute("CREATE DATABASE client_connector")
    cursor.execute("USE client_connector")
    cursor.execute(
        "CREATE TABLE t (id INT NOT NULL, price DECIMAL(10, 2), at DATETIME, name STRING, ratio DOUBLE)"
        " PRIMARY KEY(id) DISTRIBUTED BY HASH(id)"
    )
    rows = [(n, decimal.Decimal(n) / 4, datetime.datetime(2026, 1, 1, n), f"name {n} %s ?", n / 8) for n in range(20)]
    cursor.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s)", rows)
    connection.commit()

    prepared = connection.cursor(prepared=True)
    for number, price, at, name, ratio in rows:
        prepared.execute("SELECT id, price, at, name, ratio FROM t WHERE id = ? AND name = ?", (number, name))
        assert prepared.fetchall() == [(number, price, at, name, ratio)], number
    prepared.execute("INSERT INTO t (id, name) VALUES (?, ?)", (100, None))
    connection.commit()
    prepared.execute("SELECT name FROM t WHERE id = ?", (100,))
    assert prepared.fetchall() == [(None,)]
    prepared.close()

    connection.start_transaction()
    cursor.execute("INSERT INTO t VALUES (200, NULL, NULL, NULL, NULL)")
    connection.rollback()
    cursor.execute("SELECT count(*) FROM t WHERE id = 200")
    assert cursor.fetchone() == (0,)
    cursor.execute("SELECT id FROM t WHERE id < 3 ORDER BY id")
    assert cursor.fetchmany(2) == [(0,), (1,)] and cursor.fetchall() == [(2,)]
    try:
        cursor.execute("SELEC 1")
        raise AssertionError("nonsense was no error")
    except mysql.connector.Error as error:
        assert error.errno == 1064, error
    assert connection.is_connected() and connection.server_info
    cursor.execute("SET @kept = 1")
    # Given back to the pool the session is reset.
    connection.close()
    connection = pool.get_connection()
    connection.reset_session()
    cursor = connection.cursor(dictionary=True)
    cursor.execute("SELECT @kept AS kept")
    assert cursor.fetchone() == {"kept": None}
    connection.cmd_change_user("root", "", "client_connector")
    cursor = connection.cursor()
    cursor.execute("SELECT database(), (SELECT count(*) FROM t)")
    assert cursor.fetchone() == ("client_connector", 21)
    cursor.execute("DROP DATABASE client_connector FORCE")
    connection.close()


if __name__ == "__main__":
    check(pure=True)
    if mysql.connector.HAVE_CEXT:
        check(pure=False)

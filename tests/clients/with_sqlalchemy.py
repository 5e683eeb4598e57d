"""SQLAlchemy with the `starrocks` dialect: a table is created, reflected, filled and read back by the ORM's own types."""

import datetime
import decimal
import os

from sqlalchemy import BIGINT, DATE, DECIMAL, VARCHAR, Column, MetaData, Table, create_engine, func, inspect, select, text

SERVER = f"starrocks://root@{os.environ['STARKEEP_HOST']}:{os.environ['STARKEEP_PORT']}"


def main() -> None:
    with create_engine(f"{SERVER}/information_schema").connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS client_sqlalchemy"))
        connection.execute(text("CREATE DATABASE client_sqlalchemy"))
    engine = create_engine(f"{SERVER}/client_sqlalchemy")
    metadata = MetaData()
    made = Table(
        "orders",
        metadata,
        Column("id", BIGINT, nullable=False),
        Column("day", DATE),
        Column("price", DECIMAL(10, 2)),
        Column("name", VARCHAR(50), comment="what it is"),
        starrocks_PRIMARY_KEY="id",
        starrocks_DISTRIBUTED_BY="HASH(id) BUCKETS 2",
        starrocks_PROPERTIES={"replication_num": "1"},
        comment="a table of SQLAlchemy",
    )
    metadata.create_all(engine)
    row = {"id": 1, "day": datetime.date(2026, 1, 2), "price": decimal.Decimal("3.50"), "name": "it's"}
    with engine.begin() as connection:
        connection.execute(made.insert(), [row, {**row, "id": 2, "name": None}])

    seen = inspect(engine)
    assert "orders" in seen.get_table_names() and "client_sqlalchemy" in seen.get_schema_names()
    columns = {column["name"]: column for column in seen.get_columns("orders")}
    assert list(columns) == ["id", "day", "price", "name"], columns
    assert not columns["id"]["nullable"] and columns["name"]["comment"] == "what it is", columns
    assert str(columns["price"]["type"]).replace(" ", "").upper() == "DECIMAL(10,2)", columns

    reflected = Table("orders", MetaData(), autoload_with=engine)
    assert [column.name for column in reflected.columns] == list(columns)
    with engine.connect() as connection:
        rows = connection.execute(select(reflected).order_by(reflected.c.id)).all()
        assert rows[0] == (1, row["day"], row["price"], "it's") and rows[1][3] is None, rows
        total = connection.execute(select(func.sum(reflected.c.price), func.count()).where(reflected.c.name.isnot(None)))
        assert total.one() == (decimal.Decimal("3.50"), 1)
    with engine.begin() as connection:
        connection.execute(reflected.update().where(reflected.c.id == 2).values(name="two"))
        connection.execute(reflected.delete().where(reflected.c.id == 1))
        assert connection.execute(select(reflected.c.name)).scalars().all() == ["two"]
    # What was reflected can be made again.
    copied = reflected.to_metadata(MetaData(), name="copied")
    copied.create(engine)
    assert "copied" in inspect(engine).get_table_names()
    metadata.drop_all(engine)
    assert "orders" not in inspect(engine).get_table_names()
    with engine.begin() as connection:
        connection.execute(text("DROP DATABASE client_sqlalchemy FORCE"))


if __name__ == "__main__":
    main()

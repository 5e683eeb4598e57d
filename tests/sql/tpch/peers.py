#!/usr/bin/env python3
"""What DuckDB and DataFusion take for TPC-H on this machine, as JSON: CSV to Parquet by DuckDB, then the queries of this
directory over these files, cold (the first time) and hot (the best of two more).

    python3 -m venv v && v/bin/pip install duckdb datafusion && v/bin/python peers.py DIRECTORY THREADS

DIRECTORY has a `<table>.csv` for each table, separated by `|`, with a line of names; the Parquet files go beside them.
`bench tpch` writes them and runs this, with the Python that STARKEEP_PEERS_PYTHON names.
"""

import json
import pathlib
import re
import sys
import time

import datafusion
import duckdb

HERE = pathlib.Path(__file__).parent
AGAIN = 2


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def queries(run):
    found = []
    for query in sorted(HERE.glob("q*.sql")):
        text = query.read_text().rstrip().rstrip(";")
        try:
            seconds = [timed(lambda: run(text)) for _ in range(1 + AGAIN)]
            found.append({"query": query.stem, "cold_seconds": seconds[0], "hot_seconds": min(seconds[1:])})
        except Exception as error:  # of whichever library
            found.append({"query": query.stem, "error": str(error)[:200]})
    return found


def main() -> None:
    directory, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    schema = (HERE / "schema.sql").read_text()
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\)\n(?:\w+ KEY)", schema, re.S)
    database = duckdb.connect(config={"threads": threads})
    copies, rows = 0.0, 0
    for table, columns in tables:
        names = (directory / f"{table}.csv").open().readline().strip().split("|")
        types = {name: kind for name, kind in re.findall(r"(\w+) (\w+(?:\(\d+(?:, \d+)?\))?)", columns)}
        struct = "{" + ", ".join(f"'{name}': '{types[name]}'" for name in names) + "}"
        source = f"read_csv('{directory}/{table}.csv', delim = '|', header = true, columns = {struct})"
        target = directory / f"{table}.parquet"
        copies += timed(lambda: database.execute(f"COPY (SELECT * FROM {source}) TO '{target}' (FORMAT parquet)"))
        rows += database.execute(f"SELECT count(*) FROM '{target}'").fetchone()[0]
        database.execute(f"CREATE VIEW {table} AS SELECT * FROM '{target}'")
    config = datafusion.SessionConfig().with_target_partitions(threads)
    context = datafusion.SessionContext(config)
    for table, _ in tables:
        context.register_parquet(table, str(directory / f"{table}.parquet"))
    report = {
        "threads": threads,
        "copy": {"rows": rows, "seconds": copies, "parquet_bytes": sum(f.stat().st_size for f in directory.glob("*.parquet"))},
        "duckdb": {"version": duckdb.__version__, "queries": queries(lambda text: database.execute(text).fetchall())},
        "datafusion": {
            "version": datafusion.__version__,
            "queries": queries(lambda text: context.sql(text).collect()),
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

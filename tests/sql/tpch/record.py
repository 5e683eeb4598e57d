#!/usr/bin/env python3
"""Records the answers of DuckDB to the queries of this directory at scale factor 0.1, one file a query in answers/.

    python3 -m venv v && v/bin/pip install duckdb tpchgen-cli && v/bin/python record.py

The data is that of `tpchgen` (the suite generates the same by the crate of that name), the schema this directory's without
what DuckDB does not know. Values are separated by tabs, as DuckDB prints them as text.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import duckdb

HERE = pathlib.Path(__file__).parent
SCALE = "0.1"


def main() -> None:
    database = duckdb.connect()
    with tempfile.TemporaryDirectory() as data:
        generator = pathlib.Path(sys.executable).parent / "tpchgen-cli"
        subprocess.run([generator, "csv", "-s", SCALE, f"--output-dir={data}"], check=True)
        for table, columns in re.findall(r"CREATE TABLE (\w+) \((.*?)\)\n(?:\w+ KEY)", (HERE / "schema.sql").read_text(), re.S):
            database.execute(f"CREATE TABLE {table} ({columns})")
            file = pathlib.Path(data) / f"{table}.csv"
            names = file.open().readline().strip()
            database.execute(f"INSERT INTO {table} ({names}) SELECT * FROM read_csv('{file}', header = true, all_varchar = true)")
    (HERE / "answers").mkdir(exist_ok=True)
    for query in sorted(HERE.glob("q*.sql")):
        rows = database.execute(query.read_text()).fetchall()
        lines = ["\t".join(str(value) for value in row) + "\n" for row in rows]
        (HERE / "answers" / f"{query.stem}.tsv").write_text("".join(lines))
    (HERE / "answers" / "provenance").write_text(f"duckdb {duckdb.__version__}, scale factor {SCALE}, by record.py\n")


if __name__ == "__main__":
    main()

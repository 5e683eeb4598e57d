#!/usr/bin/env python3
"""What DuckDB takes to write the rows of `bench ingest` to Parquet: computed ones, and ones that it reads from CSV. JSON.

    python3 ingest.py COMPUTED_ROWS CSV_ROWS
"""

import json
import pathlib
import sys
import tempfile
import time

import duckdb


def main() -> None:
    computed, read = int(sys.argv[1]), int(sys.argv[2])
    database = duckdb.connect(config={"threads": 2})
    with tempfile.TemporaryDirectory() as directory:
        target = pathlib.Path(directory) / "t.parquet"
        rows = (
            "SELECT g AS id, DATE '2026-01-01' + CAST(g % 365 AS INTEGER) AS day,"
            " CAST(g % 100000 / 100 AS DECIMAL(12, 2)) AS price, 'name ' || (g % 1000) AS name FROM range(1, {} + 1) s(g)"
        )
        began = time.perf_counter()
        database.execute(f"COPY ({rows.format(computed)}) TO '{target}' (FORMAT parquet)")
        select = computed / (time.perf_counter() - began)
        source = pathlib.Path(directory) / "t.csv"
        database.execute(f"COPY ({rows.format(read)}) TO '{source}' (FORMAT csv, HEADER)")
        types = "{'id': 'BIGINT', 'day': 'DATE', 'price': 'DECIMAL(12, 2)', 'name': 'VARCHAR'}"
        began = time.perf_counter()
        database.execute(f"COPY (SELECT * FROM read_csv('{source}', header = true, columns = {types})) TO '{target}' (FORMAT parquet)")
        csv = read / (time.perf_counter() - began)
    print(json.dumps({"version": duckdb.__version__, "select_per_second": select, "csv_per_second": csv}))


if __name__ == "__main__":
    main()

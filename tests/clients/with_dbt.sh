#!/usr/bin/env bash
# dbt with dbt-starrocks: a seed, a table, a view, an incremental model, and tests of them. Twice: the second time what is
# incremental finds what is there.
#
#   with_dbt.sh DIRECTORY     of the executables of a Python that has dbt
set -euo pipefail

bin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$(dirname "${BASH_SOURCE[0]}")/dbt/." "$work"
export DBT_SEND_ANONYMOUS_USAGE_STATS=false

# say STATEMENT: its first row, if it has any.
say() {
    "$bin/python" - "$1" <<'EOF'
import os, sys
import mysql.connector
where = {"host": os.environ["STARKEEP_HOST"], "port": int(os.environ["STARKEEP_PORT"]), "user": "root"}
connection = mysql.connector.connect(**where)
cursor = connection.cursor()
cursor.execute(sys.argv[1])
if cursor.with_rows:
    print(*cursor.fetchone())
EOF
}

say "DROP DATABASE IF EXISTS client_dbt FORCE"
for _ in 1 2; do
    if ! "$bin/dbt" --no-use-colors build --project-dir "$work" --profiles-dir "$work" >"$work/said"; then
        cat "$work/said"
        exit 1
    fi
done
found=$(say "SELECT (SELECT sum(total) FROM client_dbt.customers), (SELECT count(*) FROM client_dbt.recent), (SELECT sum(orders) FROM client_dbt.days)")
[[ $found == "37.0 3 4" ]] || { echo "dbt: the models hold $found"; exit 1; }
say "DROP DATABASE client_dbt FORCE"

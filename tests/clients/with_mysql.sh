#!/usr/bin/env bash
# The mysql (or mariadb) command line: statements from a file, by `source`, `\s`, completion, tables and columns, errors.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
client=(mysql --no-defaults -h "$STARKEEP_HOST" -P "$STARKEEP_PORT" -u root)

fail() {
    echo "mysql: $*" >&2
    exit 1
}

# expect TEXT WHAT: the file `out` has this text.
expect() {
    grep -qF -- "$1" "$work/out" || fail "$2: no '$1' in: $(head -c 2000 "$work/out")"
}

cat >"$work/made.sql" <<'SQL'
-- a comment; with a semicolon
DROP DATABASE IF EXISTS client_mysql;
CREATE DATABASE client_mysql;
USE client_mysql;
CREATE TABLE t (id BIGINT NOT NULL, name VARCHAR(20), price DECIMAL(10, 2), at DATETIME, data JSON)
PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2;
INSERT INTO t VALUES (1, 'pen', 1.50, '2026-01-02 03:04:05', parse_json('{"a": [1, null]}')), (2, 'tinte; blau', NULL, NULL, NULL);
SELECT id, name, price, at, data FROM t ORDER BY id;
SQL
"${client[@]}" --batch <"$work/made.sql" >"$work/out" || fail "a script from standard input"
expect $'1\tpen\t1.50\t2026-01-02 03:04:05\t{"a": [1, null]}' "rows"
expect $'2\ttinte; blau\tNULL\tNULL\tNULL' "NULL"

"${client[@]}" --batch -e "source $work/made.sql" >"$work/out" || fail "source"
expect $'2\ttinte; blau' "source"

# Interactive, with completion: the client asks for the fields of every table.
printf '\\s\nuse client_mysql;\nselect count(*) c from t\\G\nshow warnings;\n' | "${client[@]}" --auto-rehash --table --unbuffered >"$work/out" 2>&1 || fail "an interactive session"
expect "Server version" "\\s"
expect "Connection id" "\\s"
expect "c: 2" "\\G"

"${client[@]}" --auto-rehash client_mysql --table -e 'DESC t; SHOW TABLES; SHOW CREATE TABLE t' >"$work/out" || fail "metadata"
expect "PRIMARY KEY" "SHOW CREATE TABLE"
"${client[@]}" --xml client_mysql -e 'SELECT name FROM t WHERE id = 1' >"$work/out" || fail "xml"
expect '<field name="name">pen</field>' "xml"

if "${client[@]}" client_mysql -e 'SELECT nothing FROM t' >"$work/out" 2>&1; then
    fail "an unknown column was no error"
fi
expect "ERROR 1064" "an error"
# With --force the rest runs.
printf 'SELECT nothing FROM t;\nSELECT 41 + 1;\n' | "${client[@]}" --force --skip-column-names client_mysql >"$work/out" 2>&1 || true
expect "42" "--force"

"${client[@]}" -e 'DROP DATABASE client_mysql FORCE'

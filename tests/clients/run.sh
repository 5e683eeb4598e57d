#!/usr/bin/env bash
# The clients that people have, against a server that runs: each connects, makes a database of its own, writes and reads all
# kinds of values, and takes it away again. Installs what it needs below a directory of its own.
#
#   run.sh [--host H] [--port P] [CLIENT...]     as root without a password; all clients by default
#
#   STARKEEP_CLIENTS   where libraries are installed; default ~/.cache/starkeep-clients
#
# Prints `ok CLIENT`, `FAILED CLIENT` or `SKIP CLIENT: reason` for each; fails when one has failed.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOOLS=${STARKEEP_CLIENTS:-$HOME/.cache/starkeep-clients}
ALL=(mysql pymysql connector sqlalchemy dbt pyodbc mysql2 mariadb jdbc)
# Where Debian's package libmariadb-java has it.
CONNECTOR=/usr/share/java/mariadb-java-client.jar
export STARKEEP_HOST=127.0.0.1 STARKEEP_PORT=9030

wanted=()
while (($#)); do
    case $1 in
    --host) STARKEEP_HOST=${2:?a host}; shift ;;
    --port) STARKEEP_PORT=${2:?a port}; shift ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;;
    *)
        [[ " ${ALL[*]} " == *" $1 "* ]] || { echo "there is no client $1; there are ${ALL[*]}" >&2; exit 2; }
        wanted+=("$1")
        ;;
    esac
    shift
done
((${#wanted[@]})) || wanted=("${ALL[@]}")

mkdir -p "$TOOLS"
log=$TOOLS/install.log
failed=0

# environment NAME REQUIREMENTS: the executables of a Python with these packages; what was installed for others is completed.
environment() {
    local dir=$TOOLS/$1 requirements=$2
    if ! cmp -s "$requirements" "$dir/complete"; then
        { python3 -m venv "$dir" && timeout 300 "$dir/bin/pip" install -q -r "$requirements"; } >"$log" 2>&1 || return 1
        cp "$requirements" "$dir/complete"
    fi
    echo "$dir/bin"
}

# A Python with all that the clients here need.
python() {
    local bin
    bin=$(environment python "$HERE/requirements.txt") && echo "$bin/python"
}

# dbt has one of its own: what it asks for does not go together with the others.
dbt() {
    environment dbt "$HERE/dbt/requirements.txt"
}

node_modules() {
    if [[ ! -e $TOOLS/node/complete ]]; then
        command -v npm >"$log" || { echo "there is no npm" >"$log"; return 1; }
        mkdir -p "$TOOLS/node"
        timeout 300 npm install --prefix "$TOOLS/node" --no-audit --no-fund --silent mysql2@3 mariadb@3 >"$log" 2>&1 || return 1
        touch "$TOOLS/node/complete"
    fi
    echo "$TOOLS/node/node_modules"
}

skip() {
    echo "SKIP $1: $2"
}

# check CLIENT COMMAND...
check() {
    local client=$1
    shift
    if timeout 120 "$@"; then
        echo "ok $client"
    else
        echo "FAILED $client"
        failed=1
    fi
}

for client in "${wanted[@]}"; do
    case $client in
    mysql)
        if command -v mysql >/dev/null; then
            check mysql "$HERE/with_mysql.sh"
        else
            skip mysql "there is no mysql command (apt package default-mysql-client)"
        fi
        ;;
    pymysql | connector | sqlalchemy)
        if bin=$(python); then
            check "$client" "$bin" "$HERE/with_$client.py"
        else
            skip "$client" "$(tail -n 1 "$log")"
        fi
        ;;
    dbt)
        if bin=$(dbt); then
            check dbt "$HERE/with_dbt.sh" "$bin"
        else
            skip dbt "$(tail -n 1 "$log")"
        fi
        ;;
    pyodbc)
        if ! compgen -G "/usr/lib/*/odbc/libmaodbc.so" >/dev/null; then
            skip pyodbc "there is no ODBC driver of MariaDB (apt packages odbc-mariadb and unixodbc)"
        elif bin=$(python); then
            check pyodbc "$bin" "$HERE/with_pyodbc.py"
        else
            skip pyodbc "$(tail -n 1 "$log")"
        fi
        ;;
    jdbc)
        if ! command -v javac >/dev/null; then
            skip jdbc "there is no JDK (apt package default-jdk-headless)"
        elif [[ ! -e $CONNECTOR ]]; then
            skip jdbc "there is no $CONNECTOR (apt package libmariadb-java)"
        else
            check jdbc java -cp "$CONNECTOR" "$HERE/WithJdbc.java"
        fi
        ;;
    mysql2 | mariadb)
        if modules=$(node_modules); then
            NODE_PATH=$modules check "$client" node "$HERE/with_$client.js"
        else
            skip "$client" "$(tail -n 1 "$log")"
        fi
        ;;
    esac
done
exit "$failed"

# shellcheck shell=bash
# What the start and stop scripts share: where things are, whether a node runs, how it starts and stops.
# Sourced, not run; the scripts set ROLE (fe or cn), TITLE and BIN_DIR first.
#
# From the environment, or as upper-case keys of the configuration file (the environment wins):
#   STARKEEP_HOME   the installation, and where ${STARKEEP_HOME} in a configuration file leads; environment only.
#                   Default: the directory above bin/; in a checkout its target/starkeep
#   STARKEEP_BIN    the executable; environment only. Default: $STARKEEP_HOME/bin/starkeep, then PATH, then the target/ of a checkout
#   LOG_DIR         where <role>.out goes; default: $STARKEEP_HOME/log
#   PID_DIR         where <role>.pid goes; default: the directory of the scripts. Give each node of a host its own

fail() {
    echo "$*" >&2
    exit 1
}

# STARKEEP_HOME and CONF_DIR. An installation has bin/ beside conf/. A checkout has deploy/bin/, and its own directories are
# no place for data: there, home is target/starkeep.
resolve_home() {
    local root
    CONF_DIR=
    if [[ -d $BIN_DIR/../conf ]]; then
        root=$(cd "$BIN_DIR/.." && pwd)
        STARKEEP_HOME=${STARKEEP_HOME:-$root}
        CONF_DIR=$root/conf
    elif [[ -d $BIN_DIR/../../conf ]]; then
        root=$(cd "$BIN_DIR/../.." && pwd)
        STARKEEP_HOME=${STARKEEP_HOME:-$root/target/starkeep}
        CONF_DIR=$root/conf
    fi
    [[ -n ${STARKEEP_HOME:-} ]] || fail "There is no conf/ above $BIN_DIR. Set STARKEEP_HOME."
    mkdir -p "$STARKEEP_HOME"
    STARKEEP_HOME=$(cd "$STARKEEP_HOME" && pwd)
    export STARKEEP_HOME
    if [[ -z $CONF_DIR || -d $STARKEEP_HOME/conf ]]; then
        CONF_DIR=$STARKEEP_HOME/conf
    fi
}

# The configuration file as an absolute path; $1 as given with --conf, or empty.
resolve_conf() {
    CONF=${1:-$CONF_DIR/$ROLE.conf}
    [[ -f $CONF ]] || fail "There is no configuration file $CONF."
    CONF=$(cd "$(dirname "$CONF")" && pwd)/$(basename "$CONF")
}

# The value of an upper-case key of the configuration file with ${NAME} replaced; nothing is executed.
conf_value() {
    local line value name
    local pattern="^[[:space:]]*$1[[:space:]]*=[[:space:]]*(.*)$"
    value=
    [[ -f $CONF ]] || return 0
    while IFS= read -r line || [[ -n $line ]]; do
        line=${line%$'\r'}
        if [[ $line =~ $pattern ]]; then
            value=${BASH_REMATCH[1]}
        fi
    done <"$CONF"
    value=${value%"${value##*[![:space:]]}"}
    if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then
        value=${BASH_REMATCH[1]}
    fi
    local STARROCKS_HOME=${STARROCKS_HOME:-$STARKEEP_HOME}
    local reference='^([^$]*)\$\{([A-Za-z_][A-Za-z0-9_]*)\}(.*)$'
    local done_part=
    while [[ $value =~ $reference ]]; do
        name=${BASH_REMATCH[2]}
        done_part+=${BASH_REMATCH[1]}${!name-}
        value=${BASH_REMATCH[3]}
    done
    printf '%s' "$done_part$value"
}

resolve_directories() {
    LOG_DIR=${LOG_DIR:-$(conf_value LOG_DIR)}
    LOG_DIR=${LOG_DIR:-$STARKEEP_HOME/log}
    PID_DIR=${PID_DIR:-$(conf_value PID_DIR)}
    PID_DIR=${PID_DIR:-$BIN_DIR}
    PID_FILE=$PID_DIR/$ROLE.pid
    OUT_FILE=$LOG_DIR/$ROLE.out
}

find_binary() {
    local candidate
    if [[ -n ${STARKEEP_BIN:-} ]]; then
        [[ -x $STARKEEP_BIN ]] || fail "STARKEEP_BIN=$STARKEEP_BIN is not executable."
        BINARY=$STARKEEP_BIN
        return
    fi
    for candidate in "$STARKEEP_HOME/bin/starkeep" "$(command -v starkeep || true)" \
        "$BIN_DIR/../../target/release/starkeep" "$BIN_DIR/../../target/debug/starkeep"; do
        if [[ -n $candidate && -f $candidate && -x $candidate ]]; then
            BINARY=$candidate
            return
        fi
    done
    fail "There is no executable starkeep: build it (cargo build --release --bin starkeep) or set STARKEEP_BIN."
}

# Prints the process of the pid file if it is a node of this role; a number that another program has by now does not count.
running_pid() {
    local pid arguments
    [[ -f $PID_FILE ]] || return 1
    read -r pid <"$PID_FILE" || true
    [[ $pid =~ ^[1-9][0-9]*$ ]] && alive "$pid" || return 1
    if [[ -r /proc/$pid/cmdline ]]; then
        arguments=$(tr '\0' ' ' <"/proc/$pid/cmdline")
        [[ " $arguments " == *" $ROLE "* ]] || return 1
    fi
    echo "$pid"
}

# A zombie has ended, though its number is still taken.
alive() {
    local state
    kill -0 "$1" 2>/dev/null || return 1
    if [[ -r /proc/$1/stat ]]; then
        state=$(sed -n 's/^.*) \(.\).*/\1/p' "/proc/$1/stat" 2>/dev/null || true)
        [[ $state != Z ]] || return 1
    fi
}

# Starts the node. DAEMON is 0 or 1, the arguments are the executable's.
start_node() {
    local pid limit
    if pid=$(running_pid); then
        fail "$TITLE running as process $pid.  Stop it first."
    fi
    mkdir -p "$LOG_DIR" "$PID_DIR"
    # Every client is an open file; a soft limit of 1024 is not enough for qe_max_connection.
    limit=$(ulimit -n)
    if [[ $limit != unlimited ]] && ((limit < 65535)); then
        ulimit -n 65535 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
    fi
    if ((DAEMON)); then
        start_daemon "$@"
    else
        # exec keeps the number of this process.
        echo $$ >"$PID_FILE"
        exec "$BINARY" "$@"
    fi
}

start_daemon() {
    local pid before code last waited
    local -a detach=()
    command -v setsid >/dev/null && detach=(setsid)
    before=$(wc -c 2>/dev/null <"$OUT_FILE" || echo 0)
    "${detach[@]}" "$BINARY" "$@" >>"$OUT_FILE" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$PID_FILE"
    # A wrong configuration or a port in use ends it at once: say so here, where somebody looks.
    for ((waited = 0; waited < ${START_WAIT_SECONDS:-2} * 10; waited++)); do
        sleep 0.1
        if ! alive "$pid"; then
            code=0
            wait "$pid" || code=$?
            rm -f "$PID_FILE"
            last=$(tail -c +"$((before + 1))" "$OUT_FILE" | grep -v '^[[:space:]]*$' | tail -n 1 || true)
            fail "$TITLE stopped at once (exit code $code): ${last:-nothing in $OUT_FILE}"
        fi
    done
    disown "$pid" 2>/dev/null || true
    echo "$TITLE started as process $pid. Output: $OUT_FILE"
}

# Stops the node: SIGTERM, and SIGKILL after $1 seconds (0: never).
stop_node() {
    local pid waited
    if [[ ! -f $PID_FILE ]]; then
        fail "$TITLE is not running: there is no $PID_FILE."
    fi
    if ! pid=$(running_pid); then
        rm -f "$PID_FILE"
        echo "$TITLE was not running any more."
        return
    fi
    kill -TERM "$pid" 2>/dev/null || true
    for ((waited = 0; $1 == 0 || waited < $1 * 10; waited++)); do
        if ! alive "$pid"; then
            rm -f "$PID_FILE"
            echo "$TITLE stopped (process $pid)."
            return
        fi
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$PID_FILE"
    echo "$TITLE did not stop within $1 seconds and was killed (process $pid)."
}

# The value of an option, in the form `--name value` or `--name=value`; SHIFT says how many words it took.
# shellcheck disable=SC2034  # both are read by the scripts
option_value() {
    if [[ $1 == *=* ]]; then
        VALUE=${1#*=}
        SHIFT=1
    else
        [[ $# -ge 2 ]] || fail "$1 needs a value."
        VALUE=$2
        SHIFT=2
    fi
}

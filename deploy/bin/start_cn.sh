#!/usr/bin/env bash
# Starts a compute node.
set -euo pipefail

BIN_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
ROLE=cn
TITLE="Compute node"
# shellcheck source=deploy/bin/role.sh
source "$BIN_DIR/role.sh"

usage() {
    cat <<'TEXT'
Usage: start_cn.sh [options]
  --daemon         in the background
  --logconsole     log to the console (LOG_CONSOLE=1 does the same)
  --conf FILE      default: conf/cn.conf
Environment: STARKEEP_HOME, STARKEEP_BIN, LOG_DIR, PID_DIR, START_WAIT_SECONDS (2); STARKEEP_<KEY> overrides a key.
TEXT
}

DAEMON=0
CONF_OPTION=
arguments=()
console=0
while (($#)); do
    SHIFT=1
    case $1 in
    --conf | --conf=*)
        option_value "$@"
        CONF_OPTION=$VALUE
        ;;
    --daemon) DAEMON=1 ;;
    --logconsole) console=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        fail "Unknown option $1."
        ;;
    esac
    shift "$SHIFT"
done
[[ ${LOG_CONSOLE:-} != 1 && ${SYS_LOG_TO_CONSOLE:-} != 1 ]] || console=1
((console == 0)) || arguments+=(--logconsole)

resolve_home
resolve_conf "$CONF_OPTION"
resolve_directories
find_binary
start_node cn --conf "$CONF" "${arguments[@]}"

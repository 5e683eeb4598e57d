#!/usr/bin/env bash
# Stops a frontend.
set -euo pipefail

BIN_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
ROLE=fe
TITLE=Frontend
# shellcheck source=deploy/bin/role.sh
source "$BIN_DIR/role.sh"

usage() {
    cat <<'TEXT'
Usage: stop_fe.sh [options]
  --timeout N      kill it if it has not stopped after N seconds (60); 0: wait for ever
  -g, --graceful   wait for ever, unless --timeout says otherwise (every stop is a clean one)
  --conf FILE      the configuration file it was started with, if that names PID_DIR
Environment: STARKEEP_HOME, PID_DIR.
TEXT
}

TIMEOUT=
graceful=0
CONF_OPTION=
while (($#)); do
    SHIFT=1
    case $1 in
    --timeout | --timeout=*)
        option_value "$@"
        [[ $VALUE =~ ^[0-9]{1,6}$ ]] || fail "--timeout $VALUE is no number of seconds."
        TIMEOUT=$((10#$VALUE))
        ;;
    --conf | --conf=*)
        option_value "$@"
        CONF_OPTION=$VALUE
        ;;
    -g | --graceful) graceful=1 ;;
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
((graceful == 0)) || TIMEOUT=${TIMEOUT:-0}

resolve_home
# A node can be stopped though its configuration is gone.
CONF=${CONF_OPTION:-$CONF_DIR/$ROLE.conf}
[[ -z $CONF_OPTION ]] || resolve_conf "$CONF_OPTION"
resolve_directories
stop_node "${TIMEOUT:-60}"

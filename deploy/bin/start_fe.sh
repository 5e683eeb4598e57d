#!/usr/bin/env bash
# Starts a frontend.
set -euo pipefail

BIN_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
ROLE=fe
TITLE=Frontend
# shellcheck source=deploy/bin/role.sh
source "$BIN_DIR/role.sh"

usage() {
    cat <<'TEXT'
Usage: start_fe.sh [options]
  --helper HOST:PORT    join the cluster of this frontend (its edit_log_port)
  --cluster_snapshot    restore what cluster_snapshot.yaml (beside the configuration file) names, then start;
                        RESTORE_CLUSTER_SNAPSHOT=true does the same
  --takeover            with --cluster_snapshot: although the cluster that owns the storage volumes is alive; it turns
                        read-only
  --daemon              in the background
  --logconsole          log to the console (LOG_CONSOLE=1 does the same)
  --conf FILE           default: conf/fe.conf
  --host_type IP|FQDN   accepted for StarRocks' sake; nodes are known by address
Environment: STARKEEP_HOME, STARKEEP_BIN, LOG_DIR, PID_DIR, START_WAIT_SECONDS (2); STARKEEP_<KEY> overrides a key.
TEXT
}

DAEMON=0
CONF_OPTION=
arguments=()
restore=0
takeover=0
console=0
while (($#)); do
    SHIFT=1
    case $1 in
    --helper | --helper=*)
        option_value "$@"
        [[ $VALUE =~ ^[^:]+:[0-9]+$ || $VALUE =~ ^\[[0-9a-fA-F:]+\]:[0-9]+$ ]] || fail "--helper $VALUE is not HOST:PORT."
        arguments+=(--helper "$VALUE")
        ;;
    --host_type | --host_type=*)
        option_value "$@"
        [[ $VALUE == IP || $VALUE == FQDN ]] || fail "--host_type must be IP or FQDN."
        [[ $VALUE == IP ]] || echo "--host_type FQDN has no effect: nodes are known by address (see priority_networks)." >&2
        ;;
    --conf | --conf=*)
        option_value "$@"
        CONF_OPTION=$VALUE
        ;;
    --cluster_snapshot) restore=1 ;;
    --takeover) takeover=1 ;;
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
[[ ${RESTORE_CLUSTER_SNAPSHOT:-} != true ]] || restore=1
[[ ${LOG_CONSOLE:-} != 1 && ${SYS_LOG_TO_CONSOLE:-} != 1 ]] || console=1
((restore == 0)) || arguments+=(--cluster_snapshot)
((takeover == 0)) || ((restore == 1)) || fail "--takeover needs --cluster_snapshot."
((takeover == 0)) || arguments+=(--takeover)
((console == 0)) || arguments+=(--logconsole)

resolve_home
resolve_conf "$CONF_OPTION"
resolve_directories
find_binary
start_node fe --conf "$CONF" "${arguments[@]}"

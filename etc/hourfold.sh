# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Samples from shell scripts, with curl. Source this file, then:
#
#     hourfold backup.seconds 212
#     hourfold deploys 1 &
#
# A sample that is not answered is sent again under the same id, so that it counts once. Whatever happens, the script goes on: nothing
# is printed, the exit status is 0, and it takes 30 seconds at most, or none of yours with "&".
#
# HOURFOLD_URL is where samples go, HOURFOLD_TOKEN the token, where one is needed.

hourfold() ( # KEY VALUE
    set +eu
    exec >/dev/null 2>&1
    id=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
    # A token given on the command line of curl would be seen by every user of the machine.
    printf '%s\n' "${HOURFOLD_TOKEN:+Authorization: Bearer $HOURFOLD_TOKEN}" |
        curl -s -f -G -m 10 --retry 9 --retry-connrefused --retry-max-time 20 -H @- "${HOURFOLD_URL:-http://127.0.0.1:8080/collect}" \
            --data-urlencode "key=$1" --data-urlencode "value=$2" --data-urlencode "id=$id"
    exit 0
)

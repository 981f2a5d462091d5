# Makes a node ready to convert media. start_task.py sets the variables in capitals before this.
# shellcheck shell=bash disable=SC2153,SC2154
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# A restarted service could be Batch's own agent.
export NEEDRESTART_SUSPEND=1

say() { printf '%s start task: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }

# Run a command for so many seconds at most, and never beyond the budget.
within() {
    local left=$((BUDGET - SECONDS)) most=$1
    shift
    if ((left < most)); then most=$left; fi
    if ((most < 1)); then return 124; fi
    timeout --kill-after=10 "$most" "$@" </dev/null
}

# Wait before another attempt, unless the budget ends first: a node that will fail should fail at once.
pause() {
    if ((SECONDS + PAUSE >= BUDGET)); then return 1; fi
    sleep "$PAUSE"
}

# Run, not only found: a half-installed one is there and does not start.
ready() {
    ffmpeg -version >/dev/null 2>&1 && python3 -V >/dev/null 2>&1
}

# The log goes where whoever runs `runner` may read it: the node's own files may be closed to them.
finish() {
    local code=$?
    trap - EXIT
    say "ended with exit code $code after $SECONDS s"
    if [ -n "${RUNNER_OUTPUT:-}" ] && ! timeout --kill-after=5 60 python3 -c "$STORAGE" store \
        "${AZ_BATCH_TASK_DIR:-..}/stderr.txt" \
        "$RUNNER_OUTPUT/.start-task/${AZ_BATCH_NODE_ID:-unknown}/stderr.txt"; then
        say "this log could not be stored"
    fi
    exit "$code"
}
trap finish EXIT

# The ffmpeg that `runner` has put into storage, the same that it uses itself. Tried before it is
# moved into place: an image may have an older libc than it needs.
from_storage() {
    say "fetching ffmpeg from storage"
    if within "$INSTALL" python3 -c "$STORAGE" fetch \
        "${RUNNER_TOOLS:-}/ffmpeg-$SHA256.xz" "$FFMPEG.new" "$SHA256" &&
        within 60 "$FFMPEG.new" -version >/dev/null; then
        mv -f "$FFMPEG.new" "$FFMPEG"
        return
    fi
    rm -f "$FFMPEG.new"
    say "no ffmpeg from storage"
    return 1
}

from_apt() {
    say "installing ffmpeg by apt-get"
    if [ -n "$MIRROR" ]; then
        edit_sources "s#https?://(azure\\.)?(archive|ports|security)\\.ubuntu\\.com/ubuntu(-ports)?/?#${MIRROR%/}/#"
    fi
    # An attempt that was ended half-way leaves packages unpacked but not set up.
    within "$INSTALL" dpkg --configure -a || true
    if update && apt "$INSTALL" install --no-install-recommends ffmpeg python3; then return; fi
    say "apt-get failed or stalled"
    if [ -z "$MIRROR" ]; then other_mirror; fi
    return 1
}

apt() {
    local most=$1 options=()
    shift
    if [ -n "$PROXY" ]; then
        options=(-o "Acquire::http::Proxy=$PROXY" -o "Acquire::https::Proxy=$PROXY")
    fi
    within "$most" apt-get -y -q "${options[@]}" \
        -o "DPkg::Lock::Timeout=$LOCK" \
        -o Dpkg::Options::=--force-confold \
        -o Acquire::Retries=1 \
        -o Acquire::http::Timeout=15 \
        -o Acquire::https::Timeout=15 \
        "$@"
}

# apt-get update does not wait for the lock on its lists, which a first boot's own update holds.
update() {
    local said code
    while true; do
        code=0
        said=$(apt "$UPDATE" update 2>&1) || code=$?
        printf '%s\n' "$said" >&2
        if [[ $said != *lists/lock* ]]; then return "$code"; fi
        say "another apt-get has the lists"
        if ! pause; then return "$code"; fi
    done
}

# Azure's mirror and Ubuntu's own hold the same packages, and each can stall for many minutes.
other_mirror() {
    if grep -rqs '//azure\.' "$APT"; then
        say "leaving Azure's mirror for Ubuntu's own"
        edit_sources 's#//azure\.(archive|ports)\.ubuntu\.com#//\1.ubuntu.com#'
    else
        say "leaving Ubuntu's own mirror for Azure's"
        edit_sources 's#//(archive|ports)\.ubuntu\.com#//azure.\1.ubuntu.com#'
    fi
}

edit_sources() {
    find "$APT" \( -name '*.list' -o -name '*.sources' \) -exec sed -E -i "$1" {} +
}

ensure() {
    local attempt=0 way
    if ready; then return; fi
    if [ -z "$WAYS" ]; then
        say "ffmpeg or python3 is missing, and this pool's image should bring them"
        return 1
    fi
    while ((SECONDS < BUDGET)); do
        attempt=$((attempt + 1))
        say "attempt $attempt, $((BUDGET - SECONDS)) s left"
        for way in $WAYS; do
            if "$way" && ready; then return; fi
        done
        if ! pause; then break; fi
    done
    say "no ffmpeg within $BUDGET s; the reasons are above"
    return 1
}

prove() {
    local folder
    python3 -V
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        { say "the worker needs Python 3.10 or newer"; return 1; }
    ffmpeg -version
    folder=$(mktemp -d)
    if ! ffmpeg -nostdin -hide_banner -loglevel error -f lavfi -i sine=duration=1 \
        -c:a libmp3lame "$folder/proof.mp3" || [ ! -s "$folder/proof.mp3" ]; then
        say "this ffmpeg cannot encode mp3 (libmp3lame)"
        return 1
    fi
    rm -rf "$folder"
}

ensure
prove
say "ready"

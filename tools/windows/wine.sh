#!/usr/bin/env bash
# Use the runner on a Windows that is made here: Wine, with a Windows Python from Maven Central.
#
#     tools/windows/wine.sh [--tests] [--only WORD]...
#
# sets it up the first time (Debian or Ubuntu, some minutes, 1 GB), builds and installs the wheel, and
# takes the steps of check.py; --tests runs tests/runner too, with fewer cases. RUNNER_WINE is the folder
# that it keeps. Leaves with 75 if no Windows can be made on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

tests=
if [ "${1:-}" = --tests ]; then tests=yes; shift; fi

home=${RUNNER_WINE:-${XDG_CACHE_HOME:-$HOME/.cache}/runner-wine}
export WINEPREFIX=$home/prefix WINEARCH=win64 WINEDEBUG=-all
python_version=3.11.3
jar_version=$python_version-1.5.9
there=$WINEPREFIX/drive_c/Python311
python='C:\Python311\python.exe'

is_made=
finish() {
    local code=$?
    wineserver -k 2>/dev/null || true
    if [ -z "$is_made" ]; then code=75; fi
    exit "$code"
}
trap finish EXIT

say() { printf '== %s\n' "$*"; }

# What pip is told for this machine means nothing there, and each start would compile everything. Of
# a program of this machine, as pyenv's Pythons are, Wine gives no handle: WinError 6.
on_windows() (
    # shellcheck disable=SC2046 # names of variables have no spaces
    unset PYTHONDONTWRITEBYTECODE PYENV_ROOT $(compgen -e PIP_)
    export PIP_CONFIG_FILE=NUL
    # Its streams must be pipes. Nobody waits for `cat`: the desktop that Wine starts for a hidden console
    # holds the pipe for as long as it lives.
    exec wine "$python" "$@" </dev/null > >(cat) 2>&1
)

install_programs() {
    local missing=()
    command -v wine >/dev/null || missing+=(wine wine64)
    command -v xvfb-run >/dev/null || missing+=(xvfb xauth)
    command -v unzip >/dev/null || missing+=(unzip)
    command -v mvn >/dev/null || missing+=(maven)
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update -q >/dev/null
    "${root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
}

make_windows() {
    [ -e "$WINEPREFIX/made" ] && return
    say "making a Windows in $WINEPREFIX"
    rm -rf "$WINEPREFIX"
    mkdir -p "$WINEPREFIX"
    xvfb-run -a wineboot -i >/dev/null 2>&1
    wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f >/dev/null 2>&1
    mkdir -p "$WINEPREFIX/dosdevices/unc/localhost" # where it looks for \\localhost\C$
    ln -s ../../../drive_c "$WINEPREFIX/dosdevices/unc/localhost/C\$"
    touch "$WINEPREFIX/made"
}

install_python() {
    [ -e "$there/python.exe" ] && return
    say "installing Python $python_version there"
    local unpacked
    unpacked=$(mktemp -d)
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        -Dartifact="org.bytedeco:cpython:$jar_version:jar:windows-x86_64" -DoutputDirectory="$unpacked"
    unzip -q "$unpacked"/*.jar -d "$unpacked/jar"
    local from=$unpacked/jar/org/bytedeco/cpython/windows-x86_64
    mkdir -p "$there/DLLs"
    cp -r "$from/lib" "$there/Lib"
    mv "$there"/Lib/*.pyd "$there"/Lib/*.dll "$there/DLLs/"
    cp "$there"/DLLs/vcruntime140*.dll "$from/python311.dll" "$there/"
    rm -rf "$there/Lib/site-packages" "$there/Lib/_distutils_hack" "$there"/Lib/distutils-precedence.pth
    mkdir "$there/Lib/site-packages"
    mv "$there"/Lib/pip "$there"/Lib/pip-* "$there"/Lib/setuptools "$there"/Lib/setuptools-* \
        "$there/Lib/pkg_resources" "$there/Lib/site-packages/"
    cp "$from/python.exe" "$there/" # the last one, as a sign that all is there
    rm -rf "$unpacked"
}

# The first program starts services that hold its streams for as long as they live.
start_services() {
    wineserver -w # for that which only made it all, and does not stay
    wineserver -p
    setsid wine cmd /c exit >/dev/null 2>&1 </dev/null
}

get_wheels() {
    say "building the wheel, and fetching those that it needs"
    local wheels=$WINEPREFIX/drive_c/wheels
    mkdir -p "$wheels"
    rm -f "$wheels"/batch_ffmpeg_runner-*.whl
    python3 -m pip wheel -q --disable-pip-version-check --no-deps -w "$wheels" .
    local made
    made=$(echo "$wheels"/batch_ffmpeg_runner-*.whl)
    # the last ones are what Windows alone needs, which pip does not ask for from here
    python3 -m pip download -q --disable-pip-version-check -d "$wheels" --only-binary=:all: \
        --platform win_amd64 --python-version "$python_version" --implementation cp -c constraints.txt \
        "${made}[azure]" ${tests:+pytest pytest-timeout pytest-xdist hypothesis} \
        ${tests:+pyte mediafile aiohttp requests trustme} shellingham colorama pywin32
}

install_wheel() {
    # first itself, so that the second one looks at what this version of it needs
    on_windows -m pip install -q --disable-pip-version-check --no-warn-script-location --no-index \
        --find-links 'C:\wheels' --force-reinstall --no-deps batch-ffmpeg-runner
    on_windows -m pip install -q --disable-pip-version-check --no-warn-script-location --no-index \
        --find-links 'C:\wheels' ${tests:+pytest pytest-timeout pytest-xdist hypothesis} \
        ${tests:+pyte mediafile aiohttp requests trustme} 'batch-ffmpeg-runner[azure]'
}

install_programs
make_windows
start_services
install_python
python3 tools/windows/libraries.py "$WINEPREFIX/drive_c/windows" "$there"
get_wheels
on_windows -c pass
is_made=yes # from here on, it is a fault of ours
install_wheel
# where each start of a program takes seconds: of the tests that start some, three cases (tests/conftest.py)
on_windows tools/windows/check.py "$@" ${tests:+--tests --cases 3 --timeout 600 --max-worker-restart 100}

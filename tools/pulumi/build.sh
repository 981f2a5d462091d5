#!/usr/bin/env bash
# Put the Pulumi CLI into the tools cache, built from its Go module, unless it is there: for the engine's tests.
# Prints the folder that holds `pulumi`. Needs Go; a first build takes many minutes and some GB of Go's caches.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(awk '$1 == "github.com/pulumi/pulumi/pkg/v3" { print $2 }' "$here/go.mod")
bin=${XDG_CACHE_HOME:-$HOME/.cache}/batch-ffmpeg-runner/tools/pulumi-${version#v}

if [[ ! -x $bin/pulumi ]]; then
    command -v go >/dev/null || { echo "pulumi is not installed, and building it needs Go" >&2; exit 1; }
    mkdir -p "$bin"
    # A name of its own until it is whole: two builds, or one that is stopped, must leave no half file under the real name.
    made=$(mktemp -d "$bin/build.XXXXXX")
    trap 'rm -rf "$made"' EXIT
    cd "$here"
    # `-X`: the Automation API parses `pulumi version`. `-p 1` and nice: the machine is also used for other things meanwhile.
    CGO_ENABLED=0 nice go build -p "${PULUMI_BUILD_JOBS:-1}" -trimpath -tags osusergo,grpcnotrace \
        -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" \
        -o "$made/pulumi" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi >&2
    # What runs a Python program; Pulumi keeps it beside the CLI.
    sdk=$(go list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)
    install -m 755 "$sdk/python/cmd/pulumi-language-python-exec" "$bin/pulumi-language-python-exec"
    mv "$made/pulumi" "$bin/pulumi"
fi
printf '%s\n' "$bin"

"""Pulumi's Python language host, as far as running a program goes.

The engine starts `pulumi-language-python` to run a Python program. Pulumi's installer brings it;
tools/pulumi cannot build it (its Go module has no release), so with a CLI from there this one
stands in. The program itself is run by Pulumi's own script, `pulumi-language-python-exec`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from tests.infra import plugin

ALREADY_SAID = 32
"""The script's exit code after it has shown an error that a user can act on."""


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """The calls that `up`, `preview`, `refresh` and `destroy` make."""

    def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="0.0.0")

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """Name none ahead: the engine looks for a provider when the program asks for it."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:
        return language_pb2.GetRequiredPluginsResponse()

    def About(self, request: Any, context: Any) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version)

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program to its end, in its own process and with the project's Python."""
        ended = subprocess.run(
            command(request), cwd=request.pwd, env=environment(request), check=False
        )
        if ended.returncode == ALREADY_SAID:
            return language_pb2.RunResponse(bail=True)
        if ended.returncode:
            words = f"Program exited with non-zero exit code: {ended.returncode}"
            return language_pb2.RunResponse(error=words)
        return language_pb2.RunResponse()


def command(request: Any) -> list[str]:
    """Return how the program is run."""
    script = shutil.which("pulumi-language-python-exec")
    assert script, "not beside pulumi: build it again with tools/pulumi/build.sh"
    info = request.info
    options = {
        "--project": request.project,
        "--root_directory": info.root_directory,
        "--stack": request.stack,
        "--parallel": str(request.parallel),
        "--dry_run": "true" if request.dryRun else "false",
        "--pwd": request.pwd,
        "--monitor": request.monitor_address,
        "--engine": sys.argv[-1],
        "--organization": request.organization,
    }
    program = str(Path(info.program_directory) / info.entry_point)
    flat = [part for option in options.items() for part in option]
    return [interpreter(info), "-u", script, *flat, program, *request.args]


def interpreter(info: Any) -> str:
    """Return the Python of the project's virtual environment, or else this one."""
    named = json_format.MessageToDict(info.options).get("virtualenv", "")
    found = Path(info.root_directory) / named / "bin" / "python"
    return str(found) if named and found.exists() else sys.executable


def environment(request: Any) -> dict[str, str]:
    """Return the program's environment, configuration included."""
    return {
        **os.environ,
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
    }


def main() -> None:
    """Serve until the engine ends this process."""
    server = plugin.new_server()
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(), server)
    plugin.serve(server)


if __name__ == "__main__":
    main()

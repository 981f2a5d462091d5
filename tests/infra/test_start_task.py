"""The start task is really run here, with stand-ins for apt-get, dpkg and, where needed, ffmpeg.

Azure's metadata service and storage are an HTTP server of the test's own.
"""

import hashlib
import lzma
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from infra.start_task import (
    COMMAND,
    IDENTITY,
    OUTPUT_URL,
    TOOLS_URL,
    VARIABLE,
    Paths,
    Patience,
    Source,
    encoded,
    start_task_script,
)

QUICK = Patience(budget=20, update=1, install=1, lock=1, pause=0)
"""For what stalls: nothing waits for it long."""
PATIENT = replace(QUICK, budget=50, update=20, install=20)
"""For what does not, on whichever machine."""
SHORT = replace(QUICK, budget=3)
APT = Source(apt=True)
NONE = Source()

WORKING_FFMPEG = """\
#!/bin/bash
if [[ $1 = -version ]]; then echo "ffmpeg version 4.4.2"; exit; fi
echo sound > "${!#}"
"""

APT_GET = """\
#!/bin/bash
# Logs its arguments; a line of its plan is for the next `update` or the next `install`, none left
# means success.
echo "$*" >> "{log}"
kind=install; [[ "$*" = *" update" ]] && kind=update
step=$(head -n 1 "{plan}")
if [[ $step = $kind-* ]]; then sed -i 1d "{plan}"; else step=; fi
case "${{step#*-}}" in
    lists) echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7" >&2; exit 100 ;;
    lock) echo "E: Could not get lock /var/lib/dpkg/lock-frontend" >&2; exit 100 ;;
    mirror) echo "E: Failed to fetch" >&2; exit 100 ;;
    stall) exec sleep 60 ;;
    half) cp /bin/false "{bin}/ffmpeg"; exit 100 ;;
esac
[[ $kind = update ]] || cp "{ffmpeg}" "{bin}/ffmpeg"
"""


@dataclass(frozen=True)
class Node:
    """A fresh node: a folder that is all of PATH, with stand-ins for what changes a system."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def calls(self) -> list[str]:
        log = self.folder / "apt-get.log"
        return log.read_text().splitlines() if log.exists() else []

    def put(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def plan(self, *steps: str) -> None:
        """Say what apt-get will meet, one call after the other: "update-stall", "install-lock"."""
        ffmpeg = self.put("ffmpeg-to-install", WORKING_FFMPEG)
        plan = self.put("plan", "".join(f"{step}\n" for step in steps))
        log = self.folder / "apt-get.log"
        self.put("bin/apt-get", APT_GET.format(log=log, plan=plan, bin=self.bin, ffmpeg=ffmpeg))

    def boot(
        self, script: str, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the start task as Batch does: the command line split, and no shell around it."""
        task = self.folder / "startup"
        (task / "wd").mkdir(parents=True, exist_ok=True)
        with (task / "stderr.txt").open("w") as log:
            ended = subprocess.run(
                shlex.split(COMMAND),
                env={
                    "PATH": str(self.bin),
                    VARIABLE: encoded(script),
                    "TMPDIR": str(self.folder),
                    "AZ_BATCH_NODE_ID": "tvmps_1_p",
                    "AZ_BATCH_TASK_DIR": str(task),
                    **(variables or {}),
                },
                cwd=task / "wd",
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                timeout=60,
                check=False,
            )
        ended.stderr = (task / "stderr.txt").read_text()
        return ended

    def install(
        self,
        patience: Patience | None = None,
        source: Source = APT,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        paths = Paths(apt=str(self.folder / "etc"), ffmpeg=str(self.bin / "ffmpeg"))
        stalls = "stall" in (self.folder / "plan").read_text()
        patience = patience or (QUICK if stalls else PATIENT)
        return self.boot(start_task_script(source, patience, paths), variables)

    def sources(self, text: str, name: str = "sources.list") -> Path:
        return self.put(f"etc/{name}", text)


@dataclass
class Azure:
    """The metadata service and a storage account, as a node with one identity sees them."""

    address: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    refusal: int = 0
    """The status with which storage answers everything, if any."""

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": self.address,
            IDENTITY: "the-client-id",
            TOOLS_URL: f"{self.address}/tools",
            OUTPUT_URL: f"{self.address}/output",
        }

    @property
    def log(self) -> str:
        return self.blobs["/output/.start-task/tvmps_1_p/stderr.txt"].decode()


def handler_of(azure: Azure) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            if status >= 400:
                self.send_header("x-ms-error-code", "AsTheTestWants")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/metadata/identity/oauth2/token":
                asked_well = self.headers["Metadata"] == "true" and "the-client-id" in query
                self.answer(200 if asked_well else 400, b'{"access_token": "for-the-node"}')
            elif self.headers["Authorization"] != "Bearer for-the-node":
                self.answer(401)
            elif azure.refusal or path not in azure.blobs:
                self.answer(azure.refusal or 404)
            else:
                self.answer(200, azure.blobs[path])

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            good = self.headers["Authorization"] == "Bearer for-the-node"
            if good and self.headers["x-ms-blob-type"] == "BlockBlob" and not azure.refusal:
                azure.blobs[self.path] = data
                self.answer(201)
            else:
                self.answer(azure.refusal or 403)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def azure() -> Iterator[Azure]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        made = Azure(f"http://127.0.0.1:{server.server_port}")
        server.RequestHandlerClass = handler_of(made)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def embedded(azure: Azure, program: str = WORKING_FFMPEG, *, apt: bool = True) -> Source:
    """Put *program* into storage, as `runner` does with ffmpeg."""
    sha256 = hashlib.sha256(program.encode()).hexdigest()
    azure.blobs[f"/tools/ffmpeg-{sha256}.xz"] = lzma.compress(program.encode())
    return Source(embedded=sha256, apt=apt)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path)
    made.bin.mkdir()
    (tmp_path / "etc").mkdir()
    for tool in (
        "base64",
        "bash",
        "cp",
        "date",
        "find",
        "grep",
        "head",
        "mktemp",
        "mv",
        "rm",
        "sed",
        "sleep",
        "timeout",
    ):
        found = shutil.which(tool)
        assert found, tool
        (made.bin / tool).symlink_to(found)
    made.put("bin/python3", f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
    made.put("bin/dpkg", "#!/bin/bash\nexit 0\n")
    made.plan()
    return made


@pytest.mark.parametrize("source", [NONE, APT, Source(embedded="ab", apt=True)])
def test_shellcheck_has_nothing_to_say(source: Source, tmp_path: Path) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")  # of the group dev
    script = tmp_path / "start-task.sh"
    script.write_text(start_task_script(source))
    found = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_a_fresh_node_gets_ffmpeg_and_proves_it(node: Node) -> None:
    result = node.install()
    assert result.returncode == 0, result.stderr
    assert "ffmpeg version" in result.stdout
    assert "Python 3." in result.stdout
    assert "install --no-install-recommends ffmpeg python3" in node.calls[-1]


def test_a_second_boot_installs_nothing(node: Node) -> None:
    node.install()
    (node.folder / "apt-get.log").unlink()
    assert node.install().returncode == 0
    assert node.calls == []


@pytest.mark.parametrize(
    "trouble",
    ["update-mirror", "update-stall", "install-lock", "install-mirror", "install-stall", "install-half"],
)  # fmt: skip
def test_trouble_with_apt_is_sat_out(node: Node, trouble: str) -> None:
    node.plan(trouble, trouble)
    result = node.install()
    assert result.returncode == 0, result.stderr
    assert "attempt 3" in result.stderr
    assert "attempt 4" not in result.stderr


def test_a_lock_on_the_lists_is_waited_for_and_is_no_mirrors_fault(node: Node) -> None:
    sources = node.sources("deb http://azure.archive.ubuntu.com/ubuntu jammy main\n")
    node.plan(*["update-lists"] * 4)
    result = node.install()
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("another apt-get has the lists") == 4
    assert "attempt 2" not in result.stderr
    assert "azure.archive" in sources.read_text()


def test_a_package_left_half_installed_is_set_up_before_the_next_attempt(node: Node) -> None:
    node.put("bin/dpkg", f'#!/bin/bash\necho "dpkg $*" >> {node.folder}/apt-get.log\nexit 1\n')
    node.plan("install-half")
    assert node.install().returncode == 0
    assert node.calls.count("dpkg --configure -a") == 2


@pytest.mark.parametrize(
    ("trouble", "before", "after"),
    [
        ("update-stall", "http://azure.archive.ubuntu.com/ubuntu", "http://archive.ubuntu.com/ubuntu"),
        ("install-stall", "http://archive.ubuntu.com/ubuntu", "http://azure.archive.ubuntu.com/ubuntu"),
        ("update-mirror", "http://azure.ports.ubuntu.com/ubuntu-ports", "http://ports.ubuntu.com/ubuntu-ports"),
        ("install-mirror", "http://ports.ubuntu.com/ubuntu-ports", "http://azure.ports.ubuntu.com/ubuntu-ports"),
    ],
)  # fmt: skip
def test_a_mirror_is_left_for_the_other_after_its_first_stall(
    node: Node, trouble: str, before: str, after: str
) -> None:
    line = node.sources(f"deb {before} jammy main universe\n")
    deb822 = node.sources(f"Types: deb\nURIs: {before}/\n", "ubuntu.sources")
    node.plan(trouble)
    assert node.install().returncode == 0
    assert line.read_text() == f"deb {after} jammy main universe\n"
    assert deb822.read_text() == f"Types: deb\nURIs: {after}/\n"


def test_two_mirrors_that_stall_are_tried_in_turn(node: Node) -> None:
    sources = node.sources("deb http://azure.archive.ubuntu.com/ubuntu jammy main\n")
    node.plan("update-stall", "update-stall")
    result = node.install()
    assert result.returncode == 0
    assert "leaving Azure's mirror" in result.stderr
    assert "leaving Ubuntu's own mirror" in result.stderr
    assert "azure.archive" in sources.read_text()


def test_a_mirror_of_ones_own_and_a_proxy_are_used_and_kept(node: Node) -> None:
    sources = node.sources(
        "deb http://azure.archive.ubuntu.com/ubuntu/ jammy main\n"
        "deb http://security.ubuntu.com/ubuntu jammy-security main\n"
    )
    node.plan("update-mirror")
    own = replace(APT, mirror="http://apt.example.com/jammy", proxy="http://proxy:3128")
    assert node.install(source=own).returncode == 0
    assert sources.read_text() == (
        "deb http://apt.example.com/jammy/ jammy main\n"
        "deb http://apt.example.com/jammy/ jammy-security main\n"
    )
    assert all("Acquire::http::Proxy=http://proxy:3128" in call for call in node.calls)


@pytest.mark.parametrize("trouble", ["update-lists", "update-stall", "install-lock"])
def test_it_gives_up_at_the_end_of_its_budget_with_the_reasons(node: Node, trouble: str) -> None:
    node.plan(*[trouble] * 9999)
    result = node.install(replace(SHORT, pause=1))
    assert result.returncode != 0
    assert "no ffmpeg within 3 s; the reasons are above" in result.stderr
    if trouble != "update-stall":
        assert "Could not get lock" in result.stderr


@pytest.mark.parametrize("trouble", ["update-lists", "install-lock"])
def test_it_does_not_sleep_past_the_end_of_its_budget(node: Node, trouble: str) -> None:
    (node.bin / "sleep").unlink()
    node.put("bin/sleep", f'#!/bin/bash\necho "sleep $*" >> "{node.folder}/apt-get.log"\n')
    node.plan(*[trouble] * 9999)
    result = node.install(replace(QUICK, budget=20, pause=20))
    assert "no ffmpeg within 20 s; the reasons are above" in result.stderr
    assert node.calls
    assert not [call for call in node.calls if call.startswith("sleep")]


def test_apt_is_asked_to_wait_for_locks_and_not_to_wait_for_mirrors(node: Node) -> None:
    node.install(replace(QUICK, lock=300))
    assert all("DPkg::Lock::Timeout=300" in call for call in node.calls)
    assert all("Acquire::http::Timeout=15" in call for call in node.calls)


def test_a_node_takes_the_ffmpeg_that_lies_in_storage_and_asks_no_mirror(
    node: Node, azure: Azure
) -> None:
    result = node.install(source=embedded(azure), variables=azure.variables)
    assert result.returncode == 0, result.stderr
    assert (node.bin / "ffmpeg").read_text() == WORKING_FFMPEG
    assert node.calls == []
    assert not list(node.bin.glob("*.new"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("missing", "404 AsTheTestWants"),
        ("forbidden", "403 AsTheTestWants"),
        ("another", "the hash is"),
        ("cut", "the hash is"),
        ("no xz", "fetch: "),
        ("does not run", "no ffmpeg from storage"),
        ("no identity", "400 AsTheTestWants"),
        ("no metadata", "refused"),
    ],
)
def test_whatever_is_wrong_with_it_apt_is_the_fall_back(
    node: Node, azure: Azure, spoil: str, words: str
) -> None:
    program = "#!/bin/bash\nexit 127\n" if spoil == "does not run" else WORKING_FFMPEG
    source, variables = embedded(azure, program), dict(azure.variables)
    (name,) = azure.blobs
    good = azure.blobs[name]
    changed = {
        "another": lzma.compress(b"something else"),
        "cut": good[: len(good) // 2],
        "no xz": b"<html>",
    }
    azure.blobs[name] = changed.get(spoil, good)
    if spoil == "missing":
        azure.blobs.clear()
    azure.refusal = 403 if spoil == "forbidden" else 0
    if spoil == "no identity":
        variables[IDENTITY] = ""
    if spoil == "no metadata":
        variables["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://127.0.0.1:1"
    result = node.install(source=source, variables=variables)
    assert result.returncode == 0, result.stderr
    assert words in result.stderr
    assert "installing ffmpeg by apt-get" in result.stderr
    assert (node.bin / "ffmpeg").read_text() == WORKING_FFMPEG
    assert not list(node.bin.glob("*.new"))


def test_without_mirrors_the_node_waits_for_the_ffmpeg_in_storage(node: Node, azure: Azure) -> None:
    source = embedded(azure, apt=False)
    late, azure.blobs = azure.blobs, {}
    threading.Timer(1, azure.blobs.update, [late]).start()
    result = node.install(replace(PATIENT, pause=1), source, variables=azure.variables)
    assert result.returncode == 0, result.stderr
    assert "404" in result.stderr
    assert node.calls == []


@pytest.mark.parametrize("good", [True, False])
def test_the_log_is_stored_whatever_came_out(node: Node, azure: Azure, good: bool) -> None:
    node.plan(*([] if good else ["install-lock"] * 9999))
    result = node.install(
        replace(SHORT, budget=20 if good else 2, pause=1), variables=azure.variables
    )
    assert (result.returncode == 0) is good
    assert ("start task: ready" if good else "no ffmpeg within") in azure.log
    assert f"ended with exit code {result.returncode}" in azure.log
    assert "for-the-node" not in result.stderr


def test_only_the_end_of_a_long_log_is_stored(node: Node, azure: Azure) -> None:
    node.put("bin/dpkg", '#!/bin/bash\nprintf "%0100000d" 0 >&2\n')
    node.install(variables=azure.variables)
    assert len(azure.log.encode()) == 64 * 1024
    assert "ended with exit code 0" in azure.log


def test_a_log_that_cannot_be_stored_is_said_and_fails_nothing(node: Node, azure: Azure) -> None:
    azure.refusal = 503
    result = node.install(variables=azure.variables)
    assert result.returncode == 0
    assert "503 AsTheTestWants" in result.stderr
    assert "this log could not be stored" in result.stderr


def test_an_ffmpeg_without_mp3_fails_the_node(node: Node) -> None:
    node.put(
        "bin/ffmpeg",
        '#!/bin/bash\n[[ $1 = -version ]] || { echo "Unknown encoder" >&2; exit 1; }\n',
    )
    result = node.install()
    assert result.returncode != 0
    assert "cannot encode mp3" in result.stderr


def test_an_ffmpeg_that_says_yes_and_writes_nothing_fails_the_node(node: Node) -> None:
    node.put("bin/ffmpeg", "#!/bin/bash\nexit 0\n")
    assert node.install().returncode != 0


def test_a_python_too_old_for_the_worker_fails_the_node(node: Node) -> None:
    node.put("bin/ffmpeg", WORKING_FFMPEG)
    node.put("bin/python3", "#!/bin/bash\n[[ $1 = -V ]] && echo Python 3.8.10\n")
    result = node.install()
    assert result.returncode != 0
    assert "3.10 or newer" in result.stderr


def test_an_image_that_brings_ffmpeg_is_proved_and_left_alone(node: Node) -> None:
    node.put("bin/ffmpeg", WORKING_FFMPEG)
    assert node.boot(start_task_script(NONE)).returncode == 0
    assert node.calls == []


def test_an_image_that_should_bring_ffmpeg_and_does_not_fails_the_node(node: Node) -> None:
    result = node.boot(start_task_script(NONE))
    assert result.returncode != 0
    assert "this pool's image should bring them" in result.stderr


def test_a_script_damaged_on_the_way_is_not_run(node: Node) -> None:
    result = subprocess.run(
        shlex.split(COMMAND),
        env={"PATH": str(node.bin), VARIABLE: encoded("echo > ran; exit 0")[:-3]},
        cwd=node.folder,
        capture_output=True,
        check=False,
    )
    assert result.returncode != 0
    assert not (node.folder / "ran").exists()


def test_it_passes_with_the_real_ffmpeg(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ffmpeg").symlink_to(get_ffmpeg_exe())
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = start_task_script(NONE)
    result = subprocess.run(
        shlex.split(COMMAND),
        env={
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(scratch),
            VARIABLE: encoded(script),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert list(scratch.iterdir()) == [], "the proof is cleared away"


def test_the_script_is_small_enough_to_travel() -> None:
    assert len(encoded(start_task_script(Source(embedded="0" * 64, apt=True)))) < 16 * 1024
    assert len(COMMAND) < 200

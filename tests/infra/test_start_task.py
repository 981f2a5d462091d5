"""The start task is really run here, with stand-ins for apt-get, dpkg and, where needed, ffmpeg."""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from infra.start_task import COMMAND, VARIABLE, Patience, encoded, start_task_script

QUICK = Patience(attempts=4, pause=0, lock=1, step=1)

WORKING_FFMPEG = """\
#!/bin/bash
if [[ $1 = -version ]]; then echo "ffmpeg version 4.4.2"; exit; fi
echo sound > "${!#}"
"""

APT_GET = """\
#!/bin/bash
# Logs its arguments; runs the next line of its plan for every `install`, none left means success.
echo "$*" >> "{log}"
[[ "$*" = *" update" ]] && exit 0
step=$(head -n 1 "{plan}"); sed -i 1d "{plan}"
case "$step" in
    lock) echo "E: Could not get lock /var/lib/dpkg/lock-frontend" >&2; exit 100 ;;
    mirror) echo "E: Failed to fetch" >&2; exit 100 ;;
    stall) exec sleep 60 ;;
    half) cp /bin/false "{bin}/ffmpeg"; exit 100 ;;
esac
cp "{ffmpeg}" "{bin}/ffmpeg"
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
        """Say what apt-get will meet, one install after the other."""
        ffmpeg = self.put("ffmpeg-to-install", WORKING_FFMPEG)
        plan = self.put("plan", "".join(f"{step}\n" for step in steps))
        log = self.folder / "apt-get.log"
        self.put("bin/apt-get", APT_GET.format(log=log, plan=plan, bin=self.bin, ffmpeg=ffmpeg))

    def boot(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run the start task as Batch does: the command line split, and no shell around it."""
        return subprocess.run(
            shlex.split(COMMAND),
            env={"PATH": str(self.bin), VARIABLE: encoded(script), "TMPDIR": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def install(self, patience: Patience = QUICK) -> subprocess.CompletedProcess[str]:
        sources = str(self.folder / "etc")
        return self.boot(start_task_script(patience, sources=sources))


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
        "head",
        "mktemp",
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


@pytest.mark.parametrize("install", [True, False])
def test_shellcheck_has_nothing_to_say(install: bool, tmp_path: Path) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")  # the dev extra's
    script = tmp_path / "start-task.sh"
    script.write_text(start_task_script(install=install))
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


@pytest.mark.parametrize("trouble", ["lock", "mirror", "stall", "half"])
def test_trouble_with_apt_is_sat_out(node: Node, trouble: str) -> None:
    node.plan(trouble, trouble)
    result = node.install()
    assert result.returncode == 0, result.stderr
    assert "attempt 3 of 4" in result.stderr


def test_a_package_left_half_installed_is_set_up_before_the_next_attempt(node: Node) -> None:
    node.put("bin/dpkg", f'#!/bin/bash\necho "dpkg $*" >> {node.folder}/apt-get.log\nexit 1\n')
    node.plan("half")
    assert node.install().returncode == 0
    assert node.calls.count("dpkg --configure -a") == 2


def test_a_mirror_that_stays_away_is_left_for_another(node: Node) -> None:
    sources = node.folder / "etc" / "sources.list"
    sources.write_text("deb http://azure.archive.ubuntu.com/ubuntu jammy main universe\n")
    node.plan("mirror", "mirror", "mirror")
    assert node.install().returncode == 0
    assert sources.read_text() == "deb http://archive.ubuntu.com/ubuntu jammy main universe\n"


def test_a_mirror_that_comes_back_is_kept(node: Node) -> None:
    sources = node.folder / "etc" / "sources.list"
    sources.write_text("deb http://azure.archive.ubuntu.com/ubuntu jammy main\n")
    node.plan("mirror")
    assert node.install().returncode == 0
    assert "azure.archive" in sources.read_text()


def test_it_gives_up_with_the_reasons_and_a_status(node: Node) -> None:
    node.plan(*["lock"] * 9)
    result = node.install()
    assert result.returncode != 0
    assert "Could not get lock" in result.stderr
    assert "no ffmpeg after 4 attempts" in result.stderr


def test_apt_is_asked_to_wait_for_locks_and_to_try_again(node: Node) -> None:
    node.install(replace(QUICK, lock=300))
    assert all("DPkg::Lock::Timeout=300" in call for call in node.calls)
    assert all("Acquire::Retries=3" in call for call in node.calls)


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
    assert node.boot(start_task_script(install=False)).returncode == 0
    assert node.calls == []


def test_an_image_that_should_bring_ffmpeg_and_does_not_fails_the_node(node: Node) -> None:
    result = node.boot(start_task_script(install=False))
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
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    script = start_task_script(install=False)
    result = subprocess.run(
        shlex.split(COMMAND),
        env={**environ, VARIABLE: encoded(script)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.iterdir()) == [], "the proof is cleared away"


def test_the_script_is_small_enough_to_travel() -> None:
    assert len(encoded(start_task_script())) < 8 * 1024
    assert len(COMMAND) < 200

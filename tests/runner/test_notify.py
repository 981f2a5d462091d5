"""`--notify`: how a run went is posted, whatever answers; the address shows nowhere."""

import json
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runner.notify import Address, NotSentError, Patience, post, post_within
from tests.conftest import Run, needs_cryptography, posix_only, until
from tests.media import Media
from tests.stand_in import MakeStandIn

SECRET = "s3cr3t-T0ken"
QUICK = Patience(each=0.5, whole=20, pause=0.01)


@dataclass
class Hook:
    """A server that takes what is posted, with the answers it is told to give; the last one stays."""

    url: str = ""
    answers: list[Any] = field(default_factory=lambda: [200])
    posted: list[dict[str, Any]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    hook: Hook

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.hook.posted.append(json.loads(data))
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        hook = self.hook
        hook.seen.append((self.command, self.path))
        answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
        if answer == "silence":
            time.sleep(1)
        elif answer == "drip":
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + 60 * b"1":
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
        elif answer == "cut":
            self.connection.close()
        else:
            self.send_response(answer)
            for name, value in _HEADERS.get(answer, {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


_HEADERS = {302: {"Location": "/elsewhere"}, 429: {"Retry-After": "0"}}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def hook_server(certificate: ssl.SSLContext | None = None) -> Iterator[Hook]:
    hook = Hook()
    server = Server(("127.0.0.1", 0), type("Ours", (Handler,), {"hook": hook}))
    if certificate:
        server.socket = certificate.wrap_socket(server.socket, server_side=True)
    scheme = "https" if certificate else "http"
    hook.url = f"{scheme}://127.0.0.1:{server.server_port}/{SECRET}?code={SECRET}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hook
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hook_server() as running:
        yield running


@pytest.mark.parametrize(
    "answers", [[200], [202], [429, 200], [500, 503, 200], ["silence", 200], ["cut", 200]], ids=str
)
def test_what_passes_is_tried_again(hook: Hook, answers: list[Any]) -> None:
    hook.answers = list(answers)
    post(Address.parse(hook.url), b'{"text": "hello"}', QUICK)
    assert hook.posted == [{"text": "hello"}] * len(answers)


@pytest.mark.parametrize(
    ("answer", "tries", "why"),
    [
        (500, 4, "the server answered with status 500"),
        (429, 4, "the server answered with status 429"),
        (404, 1, "the server answered with status 404"),
        (302, 1, "the server answered with status 302, a redirect"),
        ("silence", 4, "the server did not answer in time"),
        ("cut", 4, "the server closed the connection"),
    ],
    ids=str,
)
def test_what_is_not_taken_is_said_without_the_address(
    hook: Hook, answer: Any, tries: int, why: str
) -> None:
    hook.answers = [answer]
    with pytest.raises(NotSentError) as error:
        post(Address.parse(hook.url), b"{}", QUICK)
    assert str(error.value) == why
    assert len(hook.seen) == tries, "and no redirect is followed"
    assert error.value.__context__ is None or error.value.__suppress_context__


@needs_cryptography
def test_a_certificate_that_nobody_vouches_for_is_not_trusted() -> None:
    import trustme  # noqa: PLC0415 - it needs cryptography

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with hook_server(context) as hook:
        why = post_within(Address.parse(hook.url), b"{}", QUICK)
    assert why.startswith("no secure connection (TLS)")
    assert not hook.posted


@pytest.mark.parametrize("answer", ["silence", "drip"])
def test_nobody_waits_longer_than_there_is_patience(hook: Hook, answer: str) -> None:
    hook.answers = [answer]
    patience = Patience(each=10, whole=0.1)
    assert "no answer within" in post_within(Address.parse(hook.url), b"{}", patience)
    refused = Address.parse("http://127.0.0.1:9/")
    assert post_within(refused, b"{}", QUICK) == "the server cannot be reached"


@pytest.mark.parametrize(
    "url", ["hello", "file:///etc/x", "https:///x", "https://u:p@h/x", "https://h/a b", "http://[x"]
)
def test_what_is_no_address_is_refused_without_being_quoted(run: Run, url: str) -> None:
    result = run("convert", "in", "--notify", url)
    assert result.exit_code == 2
    assert result.error.startswith(("--notify: give an address", "--notify: leave the user name"))
    assert url not in result.stderr


def body(url: str) -> dict[str, Any]:
    value = json.loads(Address.parse(url).body(["1 < 2 & 3", "why"], {"event": "summary"}))
    assert isinstance(value, dict)
    return value


def test_each_service_gets_what_it_takes() -> None:
    assert body("https://example.org/x") == {"text": "1 < 2 & 3\nwhy", "event": "summary"}
    assert body("https://hooks.slack.com/services/T/B/X") == {"text": "1 &lt; 2 &amp; 3\nwhy"}
    for host in ("prod-1.westeurope.logic.azure.com:443", "x.environment.api.powerplatform.com"):
        (attachment,) = body(f"https://{host}/workflows/1?sig=x")["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert attachment["content"]["type"] == "AdaptiveCard"
        assert [block["text"] for block in attachment["content"]["body"]] == ["1 < 2 & 3", "why"]


def written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_run_posts_its_summary_and_its_address_is_nowhere(
    run: Run, hook: Hook, media: Media, tmp_path: Path, stand_in: MakeStandIn
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    media.put("empty.mp4", tmp_path / "in" / "bad.mp4")
    program = stand_in('append("environment", repr(dict(os.environ)))')
    ends = [
        run("convert", "in", "-vv", f"--notify={hook.url}", "--ffmpeg", program.path),
        run("convert", "in", "-v", "--json", "--notify", hook.url),
        run("retry", RUNNER_NOTIFY=hook.url),
        run("convert", "in", "--notify", hook.url, "--ffmpeg", program.path, "--fail-fast", "1"),
    ]
    assert [end.exit_code for end in ends] == [1, 1, 1, 1]
    first, second, _, last = hook.posted
    assert (first["event"], first["converted"], first["failed"]) == ("summary", 1, 1)
    head, name, *lines = first["text"].splitlines()
    assert (head, name[:8]) == ("runner: some files failed", f"run {first['run'][:4]}")
    assert any("converted, 1 failed" in line for line in lines), lines
    assert (second["up_to_date"], last["event"]) == (1, "error")
    assert "stopped after 1 failed file" in last["text"]
    more = [run("runs"), run("status"), run("logs"), run("report")]
    said = "".join(end.stdout + end.stderr for end in (*ends, *more))
    assert SECRET not in said + "".join(program.said("environment"))
    assert SECRET.encode() not in written(tmp_path)
    assert "--notify=…" in run("runs", "--json").stdout.encode().decode("unicode_escape")


def test_a_run_is_as_it_was_if_nothing_takes_its_summary(
    run: Run, hook: Hook, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    hook.answers = [410]
    result = run("convert", "in", RUNNER_NOTIFY=hook.url)
    assert result.exit_code == 0
    *_, summary, warning = result.stderr.splitlines()
    assert summary.startswith("1 converted")
    assert warning == (
        "Warning: the notification was not sent: the server answered with status 410"
    )


@posix_only
def test_ctrl_c_is_told_too(
    started: Callable[..., subprocess.Popen[str]],
    hook: Hook,
    media: Media,
    tmp_path: Path,
    stand_in: MakeStandIn,
) -> None:
    program = stand_in('append("runs", "1")\nwait_for("go")')
    media.put("clip.mp3", tmp_path / "in" / "a.mp3", tmp_path / "in" / "b.mp3")
    words = ("convert", "in", "-j1", "--ffmpeg", program.path)
    process = started(*words, RUNNER_NOTIFY=hook.url)
    until(lambda: program.said("runs"))
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any(line.startswith("stopping") for line in process.stderr)
    (program.path.parent / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert [one["exit_code"] for one in hook.posted] == [130]

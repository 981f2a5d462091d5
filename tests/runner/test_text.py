"""Text is read in whatever way its writer left it, or refused with the way to write it."""

import codecs
from pathlib import Path

import pytest

from runner.text import decoded, listed_names
from tests.conftest import Run, names, posix_only
from tests.media import Media

NAMES = ["in/Übersicht.mp3", "in/日本語 🎧.mp3", "in/plain.mp3"]
LINES = "\r\n".join(NAMES) + "\r\n"

# What writes so: an editor, PowerShell 7, Notepad, Windows PowerShell's `>`, and the rest of its -Encoding.
WAYS = {
    "utf-8": LINES.encode(),
    "utf-8 with a mark": codecs.BOM_UTF8 + LINES.encode(),
    "utf-16 little": codecs.BOM_UTF16_LE + LINES.encode("utf-16-le"),
    "utf-16 big": codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
    "utf-16 little without a mark": LINES.encode("utf-16-le"),
    "utf-16 big without a mark": LINES.encode("utf-16-be"),
    "utf-32": codecs.BOM_UTF32_LE + LINES.encode("utf-32-le"),
    "nul-separated": "\0".join(NAMES).encode(),
    "nul-separated with a mark": codecs.BOM_UTF16_LE + "\0".join(NAMES).encode("utf-16-le"),
    "unix lines": "\n".join(NAMES).encode(),
    "old mac lines": "\r".join(NAMES).encode(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code_pages", [None, ("cp850", "cp1252")], ids=["posix", "windows"])
def test_a_list_is_read_in_every_way_that_programs_write_it(
    way: str, code_pages: tuple[str, ...] | None
) -> None:
    assert listed_names(WAYS[way], code_pages, lambda _: False) == NAMES


@pytest.mark.parametrize("page", ["cp850", "cp1252", "cp932"])
def test_on_windows_a_list_is_read_in_the_code_page_in_which_its_names_are_there(page: str) -> None:
    here = {"表.mp3"} if page == "cp932" else {"Übersicht.mp3", "Gruß.mp3", "plain.mp3"}
    data = "\r\n".join([*sorted(here), "gone.mp3"]).encode(page)
    pages = ("cp850", "oem-of-no-machine", "cp1252", "cp932")
    assert listed_names(data, pages, here.__contains__) == [*sorted(here), "gone.mp3"]


def test_a_list_that_could_be_anything_is_not_guessed_at() -> None:
    data = "Übersicht.mp3".encode("cp850")
    with pytest.raises(UnicodeDecodeError):
        listed_names(data, ("cp850", "cp1252"), lambda _: False)


@posix_only
def test_elsewhere_a_name_may_be_any_bytes() -> None:
    assert listed_names(b"caf\xe9.mp3\n", None) == ["caf\udce9.mp3"]
    assert listed_names(codecs.BOM_UTF8 + b"caf\xe9.mp3\n", None) == ["caf\udce9.mp3"]


@pytest.mark.parametrize("way", [w for w in WAYS if w.startswith("utf") and "without" not in w])
def test_text_is_decoded_by_its_mark(way: str) -> None:
    assert decoded(WAYS[way]) == LINES


def test_text_in_a_code_page_is_none() -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded("Übersicht".encode("cp1252"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_list_in_another_encoding_is_converted(
    encoding: str, run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("8-bit.wav", tmp_path / "in" / "Übersicht.wav")
    (tmp_path / "list").write_text("in/Übersicht.wav\r\n", encoding=encoding, newline="")
    assert run("convert", "--files-from", "list").exit_code == 0
    assert names(destination) == {"in/Übersicht.mp3"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_settings_in_another_encoding_are_read_or_refused_with_a_message(
    encoding: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / ".runner.toml").write_text(
        '[presets.mine]\r\nsummary = "für mich"\r\nsuffix = ".mp3"\r\narguments = ["-vn"]\r\n',
        encoding=encoding,
        newline="",
    )
    result = run("presets")
    if encoding == "utf-16-le":  # without a mark, it is not text
        assert result.exit_code == 2
        assert ".runner.toml is not" in result.error
    else:
        assert "für mich" in result.stdout


def test_settings_in_a_code_page_are_refused_with_the_remedy(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".runner.toml").write_bytes('[convert]\nout = "Übersicht"\n'.encode("cp1252"))
    result = run("presets")
    assert result.exit_code == 2
    assert result.error == ".runner.toml is not in UTF-8: save it as UTF-8"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_outputs_as_powershell_writes_them_are_read(
    encoding: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "outputs.json").write_text('{"outputsSchema": 1}', encoding=encoding)
    result = run("doctor", "--outputs", "outputs.json")
    assert "is not JSON" not in result.stdout
    assert "outputs.json" in result.stdout


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "cp1252"])
def test_a_line_of_spaces_is_no_name_on_windows(encoding: str) -> None:
    data = "café.mp3\r\n  \r\n\t\r\n b.mp3\r\n".encode(encoding)
    assert listed_names(data, ("cp1252",), {"café.mp3"}.__contains__) == ["café.mp3", " b.mp3"]


def test_a_line_of_spaces_is_a_name_elsewhere() -> None:
    assert listed_names(b"a.mp3\n  \n") == ["a.mp3", "  "]

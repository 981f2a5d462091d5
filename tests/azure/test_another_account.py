"""Media and results in a storage account that is not the stack's: each way of being let in, here and on nodes."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import PublicAccess, generate_container_sas

from tests.azure.conftest import MakeCloud, on_cloud
from tests.azure.media_store import MediaStore, arm_id, media_store
from tests.azure.test_secrets import files_below, leaks
from tests.cloud import IDENTITY
from tests.conftest import Result, Run, names
from tests.media import Media

BY_ROLE, BY_SIGNING, BY_SAS, PUBLIC = "by role", "by signing", "by a SAS", "public"


@pytest.fixture
def stores(
    make_cloud: MakeCloud, media: Media, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[MediaStore, MediaStore]]:
    """Containers of another account: one with sources, and one for results."""
    cloud = make_cloud()
    (other,) = cloud.storage.account.others
    is_given = request.param == BY_ROLE
    with ExitStack() as stack:
        sources, results = (
            stack.enter_context(media_store(cloud, is_given=is_given, account=other))
            for _ in range(2)
        )
        if is_given:
            cloud.azure.grant(IDENTITY, "contributor", results.name)
            ids = [(arm_id(other, each.name),) for each in (sources, results)]
            cloud = cloud.with_outputs(read_containers=ids[0], write_containers=ids[1])
        wav = media.put("8-bit.wav", tmp_path / "8-bit.wav")
        for name in ("2026/a.wav", "2026/b c/ü.wav"):
            sources.put(name, wav)
        yield replace(sources, cloud=cloud), replace(results, cloud=cloud)


def results_in(store: MediaStore) -> set[str]:
    return {name for name in store.container.list_blob_names() if "/.runner/" not in name}


def source_of(store: MediaStore, way: str) -> str:
    """How somebody names the sources who is let in so."""
    account = store.account
    if way == PUBLIC:
        store.container.set_container_access_policy({}, public_access=PublicAccess.CONTAINER)
    if way != BY_SAS:
        return f"az://{account.name}/{store.name}/2026"
    sas = generate_container_sas(
        account.name, store.name, account.key, permission="rl", expiry="2099-01-01"
    )
    return f"{store.url}/2026?{sas}"


@pytest.mark.parametrize(
    ("stores", "way"),
    [(way, way) for way in (BY_ROLE, BY_SIGNING, BY_SAS, PUBLIC)],
    indirect=["stores"],
    ids=[BY_ROLE, BY_SIGNING, BY_SAS, PUBLIC],
)
def test_another_account_is_read_and_written_as_whoever_may(
    stores: tuple[MediaStore, MediaStore], run: Run, way: str, destination: Path
) -> None:
    sources, results = stores
    here = on_cloud(run, sources.cloud)
    if way in (BY_SAS, PUBLIC):  # nobody is signed in who could do it instead
        stranger = {"AZURE_CLIENT_SECRET": "wrong"}
        alone = replace(here, environment={**here.environment, **stranger})
    else:
        alone = here
    source = source_of(sources, way)
    said = [alone("convert", source, "--where", "local")]
    assert names(destination) == {"a.mp3", "b c/ü.mp3"}, said[0].stderr
    for where in ("azure", "local"):
        to = f"az://{results.account.name}/{results.name}/{where}"
        said += [here("convert", source, "--where", where, "-o", to) for _ in range(2)]
        assert "2 up to date" in said[-1].stderr, said[-1].stderr
    assert {result.exit_code for result in said} == {0}
    assert results_in(results) == {
        f"{where}/{name}" for where in ("azure", "local") for name in ("a.mp3", "b c/ü.mp3")
    }
    assert leaks(_all(said) + files_below(destination), sources.cloud) == []


def _all(said: list[Result]) -> bytes:
    return "".join(each.stdout + each.stderr for each in said).encode()


@pytest.mark.parametrize("stores", [BY_ROLE], indirect=True)
def test_one_run_takes_each_blob_once_and_no_result_however_they_are_named(
    stores: tuple[MediaStore, MediaStore], run: Run, media: Media, tmp_path: Path
) -> None:
    sources, results = stores
    here = on_cloud(run, sources.cloud)
    named = f"az://{sources.account.name}/{sources.name}"
    media.put("8-bit.wav", tmp_path / "here.wav")
    lines = (f"{named}/2026/a.wav", f"{sources.url}/2026/a.wav", "here.wav")
    (tmp_path / "list").write_text("\n".join(lines))
    listed = here("convert", "--files-from", "list", "--where", "local", "-o", "out")
    assert listed.exit_code == 0, listed.stderr
    assert names(tmp_path / "out") == {"2026/a.mp3", "here.mp3"}
    results.put("2026/a.wav", media("8-bit.wav"))
    clash = here("convert", named, f"{results.url}/", "here.wav", "-n", "-o", "elsewhere")
    assert clash.stderr.count("would be written to the same name, 2026/a.mp3") == 2, clash.stderr
    assert "2 of 4 files to convert" in clash.stderr
    below = f"az://{results.account.name}/{results.name}"
    for said in ("1 converted", "1 up to date"):
        done = here(
            *("convert", below, "--include", "*", "--where", "local", "-o", f"{below}/2026")
        )
        assert (done.exit_code, said in done.stderr) == (0, True), done.stderr
    assert results_in(results) == {"2026/a.wav", "2026/2026/a.mp3"}

"""What the address of a blob means, and how it is written: never with the signature that it came with."""

import pytest

from runner.addresses import (
    BlobAddress,
    endpoint_of,
    readings,
    signature_of,
    signatures_of,
    without_signature,
)
from runner.errors import UsageError
from runner.formatting import display_path

STACK = "https://stackstore.blob.core.windows.net"
MEDIA = "https://media.blob.core.windows.net"
AZURITE = "https://127.0.0.1:10000/devstoreaccount1"
CHINA = "https://media.blob.core.chinacloudapi.cn"
SIGNATURE = "sv=2024-11-04&sr=c&sp=rl&sig=abc%2Bdef%3D"


@pytest.mark.parametrize(
    ("text", "stack", "meant"),
    [
        ("az://films/26", STACK, [(STACK, "films", "26")]),
        ("az://films", STACK, [(STACK, "films", "")]),
        ("az://films/", STACK, [(STACK, "films", "")]),
        ("az://my-films/a b/ü.mp4", STACK, [(STACK, "my-films", "a b/ü.mp4")]),
        ("az://media/films/a?.mp4", STACK, [(STACK, "media", "films/a?.mp4"), (MEDIA, "films", "a?.mp4")]),
        ("az://media/films/a%20b", "", [(MEDIA, "films", "a%20b")]),
        ("az://media/films", "", [(MEDIA, "films", "")]),
        ("az://media/Films/x", STACK, [(STACK, "media", "Films/x")]),
        ("az://$web/x.mp4", STACK, [(STACK, "$web", "x.mp4")]),
        (f"{MEDIA}/films/a%20b/%C3%BC.mp4", "", [(MEDIA, "films", "a b/ü.mp4")]),
        (f"{MEDIA}/films/a+b//c", STACK, [(MEDIA, "films", "a+b//c")]),
        (f"{MEDIA}/films", "", [(MEDIA, "films", "")]),
        (f"{MEDIA}/films/x?{SIGNATURE}", "", [(MEDIA, "films", "x")]),
        ("https://media.dfs.core.windows.net/films/x", "", [(MEDIA, "films", "x")]),
        (f"{CHINA}/films/x", "", [(CHINA, "films", "x")]),
        (f"{AZURITE}/films/x", "", [(AZURITE, "films", "x")]),
        (f"{AZURITE}/films/x", AZURITE, [(AZURITE, "films", "x")]),
        ("http://localhost:10000/a1b/films/x", "", [("http://localhost:10000/a1b", "films", "x")]),
        ("az://media/films/x", AZURITE, [(AZURITE, "media", "films/x"), ("https://127.0.0.1:10000/media", "films", "x")]),
        ("az://media/films/x", CHINA.replace("media", "own"), [(CHINA.replace("media", "own"), "media", "films/x"), (CHINA, "films", "x")]),
    ],
)  # fmt: skip
def test_an_address_means_these_blobs(
    text: str, stack: str, meant: list[tuple[str, str, str]]
) -> None:
    assert list(readings(text, stack)) == [BlobAddress(*each) for each in meant]


@pytest.mark.parametrize(
    "text",
    [
        "az://",
        "az:///films",
        "az://Films",
        "az://a--b/x",
        "az://stray\udcff/x",
        "az://films/stray\udcff",
        "https://example.com/films/x.mp4",
        "https://media.blob.evil.example/films/x.mp4",
        "https://media.blob.core.windows.net.evil.example/films/x.mp4",
        "https://user@media.blob.core.windows.net/films/x",
        "https://media.blob.core.windows.net@evil.example/films/x",
        "http://media.blob.core.windows.net/films/x",
        f"{MEDIA}",
        f"{MEDIA}/Films/x",
        f"{MEDIA}/films/%FF.mp4",
        f"{MEDIA}/films/x?snapshot=2026-01-01T00:00:00Z",
        f"{MEDIA}/films/what?.mp4",
        f"{MEDIA}/films/x#1",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        readings(text, STACK)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_container_without_an_account_needs_a_stack() -> None:
    with pytest.raises(UsageError, match=r"--stack or --outputs, or write az://ACCOUNT/films/"):
        readings("az://films", "")


@pytest.mark.parametrize(
    ("address", "text", "url"),
    [
        (BlobAddress(MEDIA, "films", "a b/ü?#%.mp4"), "az://media/films/a b/ü?#%.mp4", f"{MEDIA}/films/a%20b/%C3%BC%3F%23%25.mp4"),
        (BlobAddress(MEDIA, "films", "x\n"), "az://media/films/x\n", f"{MEDIA}/films/x%0A"),
        (BlobAddress(MEDIA, "films"), "az://media/films/", f"{MEDIA}/films"),
        (BlobAddress(MEDIA, "films", "a/"), "az://media/films/a/", f"{MEDIA}/films/a/"),
        (BlobAddress(CHINA, "films", "a b?"), f"{CHINA}/films/a%20b%3F", f"{CHINA}/films/a%20b%3F"),
        (BlobAddress(AZURITE, "films", "ü"), f"{AZURITE}/films/%C3%BC", f"{AZURITE}/films/%C3%BC"),
    ],
)  # fmt: skip
def test_each_blob_has_one_text_that_is_read_back_without_a_stack(
    address: BlobAddress, text: str, url: str
) -> None:
    assert (str(address), address.url) == (text, url)
    assert BlobAddress.from_text(text) == address
    assert display_path(text).isprintable()


@pytest.mark.parametrize(
    ("endpoint", "account"), [(MEDIA, "media"), (CHINA, "media"), (AZURITE, "devstoreaccount1")]
)
def test_an_account_is_known_by_its_endpoint(endpoint: str, account: str) -> None:
    assert BlobAddress(endpoint, "films").account == account
    assert endpoint_of(account, endpoint) == endpoint


def test_other_accounts_than_that_of_a_zone_are_in_the_public_cloud() -> None:
    assert endpoint_of("media", "https://own.z12.blob.storage.azure.net") == MEDIA


def test_a_signature_is_taken_out_of_an_address_and_of_nothing_else() -> None:
    address = f"{MEDIA}/films/x"
    assert signature_of(f"{address}?{SIGNATURE}") == SIGNATURE
    assert without_signature(f"{address}?{SIGNATURE}") == address
    assert "sig" not in str(readings(f"{address}?{SIGNATURE}"))
    for plain in (address, "az://films/a?sig=1.mp4", "./in?sig=x"):
        assert (signature_of(plain), without_signature(plain)) == ("", plain)


def test_signatures_are_kept_by_the_address_that_each_was_given_for() -> None:
    first, second = f"{MEDIA}/films/x", f"{MEDIA}/films/y"
    given = signatures_of([f"{first}?{SIGNATURE}", second, "in"])
    assert given == {BlobAddress(MEDIA, "films", "x"): SIGNATURE}


def test_another_name_is_in_the_same_container() -> None:
    address = BlobAddress(MEDIA, "films", "x")
    assert address.named("y/z") == BlobAddress(MEDIA, "films", "y/z")

"""`-vv`: addresses of requests, without what signs them."""

import pytest

from runner.azure.request_log import without_signature


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.blob.core/in/x.wav", "https://a.blob.core/in/x.wav"),
        ("https://a/in?comp=list&prefix=run%2F", "https://a/in?comp=list&prefix=run/"),
        (
            "https://a/x?sv=2024&se=2026-01-01&sig=SECRET%3D&sr=b",
            "https://a/x?sv=…&se=…&sig=…&sr=…",
        ),
        ("https://a/x?SIG=SECRET", "https://a/x?SIG=…"),
        ("https://a/x?token=SECRET&comp=block", "https://a/x?token=…&comp=block"),
        ("https://user:SECRET@a/x", "https://a/x"),
    ],
)
def test_what_is_shown_of_an_address_holds_no_secret(url: str, shown: str) -> None:
    assert without_signature(url) == shown

from datetime import date

import pytest

from infra.images import PRESETS, end_of_support, parse_image
from infra.vm_sizes import parse_vm_size


@pytest.mark.parametrize(
    ("name", "vcpus"),
    [
        ("Standard_D4ads_v5", 4),
        ("Standard_F16s_v2", 16),
        ("Standard_E4-2ds_v5", 2),
        ("Standard_NC24ads_A100_v4", 24),
        ("Standard_B2ms", 2),
        ("Standard_HB120rs_v3", 120),
    ],
)
def test_a_sizes_name_says_how_many_vcpus_it_has(name: str, vcpus: int) -> None:
    size = parse_vm_size(name)
    assert size is not None
    assert size.vcpus == vcpus


@pytest.mark.parametrize(
    "name",
    [
        "Standard_D2",
        "Standard_D2_v2",
        "Standard_DS3_v2",
        "Standard_L8s",
        "Standard_HB120rs_v2",
        "Standard_HC44rs",
        "Standard_NP10s",
    ],
)
def test_families_that_batch_gives_up_are_known(name: str) -> None:
    size = parse_vm_size(name)
    assert size is not None
    assert size.is_retired


@pytest.mark.parametrize("name", ["Standard_D4ads_v5", "Standard_F8s_v2", "Standard_L8s_v3"])
def test_current_families_are_not_among_them(name: str) -> None:
    size = parse_vm_size(name)
    assert size is not None
    assert not size.is_retired


@pytest.mark.parametrize(
    ("name", "is_arm"), [("Standard_D4pds_v5", True), ("Standard_D4ads_v5", False)]
)
def test_arm_machines_are_told_apart(name: str, is_arm: bool) -> None:
    size = parse_vm_size(name)
    assert size is not None
    assert size.is_arm is is_arm


@pytest.mark.parametrize("name", ["", "D4ads_v5", "standard_d4ads_v5", "Standard_D4ads_v5 "])
def test_what_is_no_size_is_none(name: str) -> None:
    assert parse_vm_size(name) is None


def test_jammys_end_is_said_half_a_year_ahead_and_afterwards() -> None:
    jammy = PRESETS["jammy"]
    assert end_of_support(jammy, date(2026, 11, 22)) is None
    assert "ends on 2027-06-30" in (end_of_support(jammy, date(2027, 1, 1)) or "")
    assert "ended on 2027-06-30" in (end_of_support(jammy, date(2027, 7, 1)) or "")


def test_an_image_without_an_announced_end_is_never_warned_about() -> None:
    assert end_of_support(PRESETS["noble"], date(2040, 1, 1)) is None


def test_a_marketplace_image_is_read_from_its_urn() -> None:
    image = parse_image("microsoft-dsvm:ubuntu-hpc:2204", "batch.node.ubuntu 22.04")
    assert image is not None
    assert (image.publisher, image.offer, image.sku, image.version) == (
        "microsoft-dsvm",
        "ubuntu-hpc",
        "2204",
        "latest",
    )


def test_a_gallery_image_is_its_id() -> None:
    gallery = (
        "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute"
        "/galleries/pictures/images/ffmpeg/versions/1.0.0"
    )
    image = parse_image(gallery, "batch.node.ubuntu 22.04")
    assert image is not None
    assert image.gallery_id == gallery


@pytest.mark.parametrize("text", ["", "focal", "a:b", "a:b:c:d:e", "/subscriptions/1/images/x"])
def test_what_is_no_image_is_none(text: str) -> None:
    assert parse_image(text, "batch.node.ubuntu 22.04") is None

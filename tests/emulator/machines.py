"""The VM sizes and regions that exist, as data, without sizes that Batch has retired."""

import re
from collections.abc import Mapping

FAMILIES: Mapping[str, tuple[int, ...]] = {
    "A{}_v2 A{}m_v2": (2, 4, 8),
    "D{}_v3 D{}s_v3 E{}_v3 E{}s_v3": (2, 4, 8, 16, 32, 48, 64),
    "D{}_v4 D{}s_v4 D{}d_v4 D{}ds_v4 E{}_v4 E{}s_v4 E{}d_v4 E{}ds_v4": (2, 4, 8, 16, 32, 48, 64),
    "D{}a_v4 D{}as_v4 E{}a_v4 E{}as_v4": (2, 4, 8, 16, 32, 48, 64, 96),
    "D{}_v5 D{}s_v5 D{}d_v5 D{}ds_v5 D{}as_v5 D{}ads_v5 D{}ls_v5 D{}lds_v5": (2, 4, 8, 16, 32, 48, 64, 96),
    "E{}_v5 E{}s_v5 E{}d_v5 E{}ds_v5 E{}as_v5 E{}ads_v5": (2, 4, 8, 16, 20, 32, 48, 64, 96),
    "D{}ps_v5 D{}pds_v5 D{}pls_v5 D{}plds_v5": (2, 4, 8, 16, 32, 48, 64),
    "E{}ps_v5 E{}pds_v5": (2, 4, 8, 16, 20, 32),
    "D{}s_v6 D{}ds_v6 D{}ls_v6 D{}lds_v6 E{}s_v6 E{}ds_v6": (2, 4, 8, 16, 32, 48, 64, 96, 128),
    "D{}as_v6 D{}ads_v6 D{}als_v6 D{}alds_v6 E{}as_v6 E{}ads_v6": (2, 4, 8, 16, 32, 48, 64, 96),
    "D{}ps_v6 D{}pds_v6 D{}pls_v6 D{}plds_v6 E{}ps_v6 E{}pds_v6": (2, 4, 8, 16, 32, 48, 64, 96),
    "F{}s_v2": (2, 4, 8, 16, 32, 48, 64, 72),
    "F{}as_v6 F{}als_v6 F{}ams_v6": (2, 4, 8, 16, 32, 48, 64),
    "B{}ms": (2, 4, 8, 12, 16, 20),
    "B{}s_v2 B{}as_v2 B{}ps_v2": (2, 4, 8, 16, 32),
    "L{}s_v3 L{}as_v3": (8, 16, 32, 48, 64, 80),
    "M{}s_v2": (8, 16, 32, 64, 128, 192, 208, 416),
    "NC{}as_T4_v3": (4, 8, 16, 64),
    "NC{}ads_A100_v4": (24, 48, 96),
    "NV{}ads_A10_v5": (6, 12, 18, 36, 72),
    "HB{}rs_v3": (120,),
    "HX{}rs": (176,),
}  # fmt: skip
"""vCPUs by the sizes' names, less `Standard_`."""

SIZES: Mapping[str, int] = {
    f"standard_{template.format(vcpus)}".lower(): vcpus
    for templates, counts in FAMILIES.items()
    for template in templates.split()
    for vcpus in counts
}
CONSTRAINED = re.compile(r"(standard_[em])(\d+)-(\d+)(\w+)")
"""A size with fewer active vCPUs: `Standard_E8-4ds_v5`."""


def vcpus_of(vm_size: str) -> int | None:
    """Return a size's vCPUs; None for one that there is not. Names are compared without case."""
    name = vm_size.lower()
    if part := CONSTRAINED.fullmatch(name):
        whole = SIZES.get(f"{part[1]}{part[2]}{part[4]}")
        active = int(part[3])
        return active if whole and active in {whole // 2, whole // 4} else None
    return SIZES.get(name)


REGIONS = frozenset(
    [
        "australiacentral",
        "australiaeast",
        "australiasoutheast",
        "austriaeast",
        "belgiumcentral",
        "brazilsouth",
        "canadacentral",
        "canadaeast",
        "centralindia",
        "centralus",
        "chilecentral",
        "eastasia",
        "eastus",
        "eastus2",
        "francecentral",
        "germanywestcentral",
        "indonesiacentral",
        "israelcentral",
        "italynorth",
        "japaneast",
        "japanwest",
        "koreacentral",
        "koreasouth",
        "malaysiawest",
        "mexicocentral",
        "newzealandnorth",
        "northcentralus",
        "northeurope",
        "norwayeast",
        "polandcentral",
        "qatarcentral",
        "southafricanorth",
        "southcentralus",
        "southindia",
        "southeastasia",
        "spaincentral",
        "swedencentral",
        "switzerlandnorth",
        "switzerlandwest",
        "uaenorth",
        "uksouth",
        "ukwest",
        "westcentralus",
        "westeurope",
        "westindia",
        "westus",
        "westus2",
        "westus3",
    ]
)

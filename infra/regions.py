"""How Azure's service tags spell the regions. Pure."""

_SPELLED = (
    "AustraliaCentral AustraliaEast AustraliaSoutheast BrazilSouth CanadaCentral CanadaEast "
    "CentralIndia CentralUS EastAsia EastUS EastUS2 FranceCentral GermanyWestCentral "
    "IsraelCentral ItalyNorth JapanEast JapanWest JioIndiaWest KoreaCentral KoreaSouth "
    "MexicoCentral NewZealandNorth NorthCentralUS NorthEurope NorwayEast PolandCentral "
    "QatarCentral SouthAfricaNorth SouthCentralUS SouthIndia SoutheastAsia SpainCentral "
    "SwedenCentral SwitzerlandNorth UAENorth UKSouth UKWest WestCentralUS WestEurope WestIndia "
    "WestUS WestUS2 WestUS3"
)

# The display names without their spaces. Whether Azure also takes a tag in another case, and what
# it calls the few regions whose tags are shortened elsewhere, is not confirmed: hence the setting
# serviceTagRegion.
SERVICE_TAG_REGIONS = {spelled.lower(): spelled for spelled in _SPELLED.split()}

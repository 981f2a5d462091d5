"""The regions as Azure's service tags spell them. Pure."""

_SPELLED = (
    "AustraliaCentral AustraliaEast AustraliaSoutheast BrazilSouth CanadaCentral CanadaEast "
    "CentralIndia CentralUS EastAsia EastUS EastUS2 FranceCentral GermanyWestCentral "
    "IsraelCentral ItalyNorth JapanEast JapanWest JioIndiaWest KoreaCentral KoreaSouth "
    "MexicoCentral NewZealandNorth NorthCentralUS NorthEurope NorwayEast PolandCentral "
    "QatarCentral SouthAfricaNorth SouthCentralUS SouthIndia SoutheastAsia SpainCentral "
    "SwedenCentral SwitzerlandNorth UAENorth UKSouth UKWest WestCentralUS WestEurope WestIndia "
    "WestUS WestUS2 WestUS3"
)

# The display names without spaces. It is not confirmed whether Azure accepts other cases, and how it
# spells the few regions with shortened tags: that is what the setting serviceTagRegion is for.
SERVICE_TAG_REGIONS = {spelled.lower(): spelled for spelled in _SPELLED.split()}

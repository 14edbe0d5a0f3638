"""What a simulated world is made of, and the presets used by the demo, the tests and the benches.

Worlds differ in form (link function, shape of the hours, drift, size of segments, channels, zones), not only
in seed, so that nothing which learns from them can be tuned to one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

CHANNELS = ("EMAIL", "SMS", "WHATSAPP", "PUSH", "LETTER", "VOICE")
HOURS = 168
FIRST_LAWFUL_HOUR, LAST_LAWFUL_HOUR = 8, 20

Link = Literal["logit", "log", "cloglog", "step"]
HourShape = Literal["bells", "office", "blocks", "waves"]
Drift = Literal["none", "slow", "half-way"]
Segmentation = Literal["stage-age-product", "tiny"]


@dataclass(frozen=True, slots=True)
class Country:
    """One country of the portfolio: `scale` is the size of its balances and costs in units of its currency
    per euro.
    """

    code: str
    zone: str
    language: str
    currency: str
    scale: float
    share: float
    dial: str
    regions: tuple[str, ...]


SPAIN = Country("ES", "Europe/Madrid", "es", "EUR", 1.0, 0.52, "+34", ("ES-MD", "ES-CT", "ES-AN", "ES-VC"))
UNITED_STATES = Country("US", "America/Chicago", "en", "USD", 1.1, 0.24, "+1", ("US-IL", "US-TX", "US-MN"))
DENMARK = Country("DK", "Europe/Copenhagen", "da", "DKK", 7.5, 0.24, "+45", ("DK-81", "DK-84", "DK-85"))
BRITAIN = Country("GB", "Europe/London", "en", "GBP", 0.86, 0.4, "+44", ("GB-ENG", "GB-SCT", "GB-WLS"))
COLOMBIA = Country("CO", "America/Bogota", "es", "COP", 4300.0, 0.35, "+57", ("CO-DC", "CO-ANT", "CO-VAC"))
MEXICO = Country("MX", "America/Mexico_City", "es", "MXN", 20.0, 0.25, "+52", ("MX-CMX", "MX-JAL", "MX-NLE"))


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """The rules of a world.

    days: length of the history. channels: those in use. link: how taste turns into the probability of
    engaging. hour_shape: how taste runs over the week. hour_weight, channel_weight: how strongly segments
    differ in hours and channels (on the link's scale). personal: spread of a debtor's own channel tastes.
    rhythm_weight: how strongly a debtor's own daily rhythm counts. confounding: how far the historical
    policy follows traits that also drive payment. exploration: share of the historical policy that is
    uniform over lawful slots.
    """

    name: str
    days: int = 150
    countries: tuple[Country, ...] = (SPAIN, UNITED_STATES, DENMARK)
    home_currency: str = "EUR"
    channels: tuple[str, ...] = CHANNELS
    segmentation: Segmentation = "stage-age-product"
    own_segments: bool = True
    propensities: bool = True
    link: Link = "logit"
    hour_shape: HourShape = "bells"
    hour_weight: float = 0.75
    channel_weight: float = 0.5
    personal: float = 0.75
    rhythm_weight: float = 0.65
    drift: Drift = "slow"
    fatigue: float = 0.35
    confounding: float = 1.0
    exploration: float = 0.12
    contacts_per_week: float = 0.95
    conversion: float = 1.15
    organic: float = 1.0


DEFAULT = WorldSpec("default")
PRESETS: dict[str, WorldSpec] = {
    world.name: world
    for world in (
        DEFAULT,
        WorldSpec(
            "multiplicative",
            link="log",
            hour_shape="office",
            hour_weight=0.55,
            channel_weight=0.5,
            personal=0.4,
            rhythm_weight=0.3,
            drift="none",
            fatigue=0.2,
        ),
        WorldSpec(
            "steps",
            link="step",
            hour_shape="blocks",
            hour_weight=0.8,
            channel_weight=0.5,
            personal=0.35,
            rhythm_weight=0.3,
            exploration=0.2,
        ),
        WorldSpec("shifting", drift="half-way", hour_shape="bells", propensities=False, days=180),
        WorldSpec("tiny-segments", segmentation="tiny", hour_shape="waves", link="cloglog", personal=0.45),
        WorldSpec(
            "no-propensities",
            propensities=False,
            own_segments=False,
            link="cloglog",
            hour_shape="office",
            confounding=1.6,
            exploration=0.06,
        ),
        WorldSpec(
            "overseas",
            countries=(BRITAIN, COLOMBIA, MEXICO),
            home_currency="GBP",
            channels=("SMS", "WHATSAPP", "PUSH", "VOICE"),
            hour_shape="waves",
            contacts_per_week=1.1,
        ),
    )
}


def harder(world: WorldSpec) -> WorldSpec:
    """The same world with tastes that shift half-way, tiny segments and no propensities: the cruellest mix."""
    return replace(
        world, name=f"{world.name}-harder", drift="half-way", segmentation="tiny", propensities=False
    )

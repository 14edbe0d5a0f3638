"""The contact rules of jurisdictions, as data. Source: docs/contact-rules.md; legal counsel confirms before use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from domain.vocabulary import Channel

_VERSION = "2026-1"
_WEEK = timedelta(days=7)
_CALLS = frozenset({Channel.VOICE})
_TEXTS = frozenset({Channel.SMS, Channel.WHATSAPP})
_ALL = frozenset(Channel)

OpenHours = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class AtMost:
    """No more than `contacts` contacts on these channels, taken together, in any span as long as `within`.

    rule: its code, without the version.
    """

    rule: str
    channels: frozenset[Channel]
    contacts: int
    within: timedelta
    message: str


@dataclass(frozen=True, slots=True)
class Preset:
    """The contact rules of a jurisdiction, or what a tenant adds to them.

    open_hours: per weekday from Monday, local `from <= hour < to`, None when closed all day.
    holidays: the country (ISO 3166-1) on whose public holidays no contact is made.
    consent_required: channels on which silence is not consent.
    at_most: how often. once_a_day: one contact per local day, on whatever channel.
    one_channel_within: after a contact, no other channel for so long.
    quiet_after_conversation: after a telephone conversation, no call for so long.
    duties: what the sender must see to, as no rule here can.
    """

    name: str
    version: str
    open_hours: OpenHours
    holidays: str | None = None
    consent_required: frozenset[Channel] = frozenset()
    at_most: tuple[AtMost, ...] = ()
    once_a_day: bool = False
    one_channel_within: timedelta | None = None
    quiet_after_conversation: timedelta | None = None
    duties: tuple[str, ...] = field(default=())

    @property
    def code(self) -> str:
        """The rules' name and version, as decisions record it."""
        return f"{self.name}@{self.version}"

    def rule(self, rule: str) -> str:
        """The stable code of one of the rules, e.g. OPT_OUT@2026-1."""
        return f"{rule}@{self.version}"

    def own_rule(self, rule: str) -> str:
        """The stable code of a rule that this preset words its own way, e.g. CO_ONCE_A_DAY@2026-1."""
        return self.rule(f"{self.name.replace('-', '_')}_{rule}")


def rules_version(presets: Sequence[Preset]) -> str:
    """What bound a decision, e.g. CO@2026-1+TENANT@3f9a01c2."""
    return "+".join(preset.code for preset in presets)


def _daily(first: int, end: int) -> OpenHours:
    return ((first, end),) * 7


DEFAULT = Preset("DEFAULT", _VERSION, _daily(8, 21))

_SEVEN_IN_SEVEN = AtMost(
    "US_REG_F_7_IN_7", _CALLS, 7, _WEEK, "At most 7 calls in any 7 days (12 CFR 1006.14(b)(2)(i)(A))."
)
_TWO_IN_SEVEN = AtMost(
    "US_MA_2_IN_7", _CALLS | _TEXTS, 2, _WEEK, "At most 2 calls or texts in any 7 days (Massachusetts)."
)
_OPT_OUT_NOTICE = "Every electronic message says how to opt out (12 CFR 1006.6(e))."
_CALL_A_WEEK = AtMost("CL_CALL_A_WEEK", _CALLS, 1, _WEEK, "At most one call in any 7 days (Ley 21.320).")
_MESSAGES_A_WEEK = AtMost(
    "CL_2_MESSAGES_A_WEEK", _ALL - _CALLS, 2, _WEEK, "At most two messages in any 7 days (Ley 21.320)."
)
_MESSAGES_APART = AtMost(
    "CL_MESSAGES_2_DAYS_APART",
    _ALL - _CALLS,
    1,
    timedelta(days=2),
    "At least two days between messages (Ley 21.320).",
)


def _united_states(name: str, *more: AtMost) -> Preset:
    return Preset(
        name,
        _VERSION,
        _daily(8, 21),
        at_most=(_SEVEN_IN_SEVEN, *more),
        quiet_after_conversation=_WEEK,
        duties=(_OPT_OUT_NOTICE,),
    )


#: By country (ISO 3166-1) or region (ISO 3166-2); `default` is everybody else's. UK stands for GB.
PRESETS: dict[str, Preset] = {
    "default": DEFAULT,
    "ES": Preset("ES", _VERSION, _daily(8, 21)),
    "FR": Preset("FR", _VERSION, _daily(8, 21)),
    "DK": Preset("DK", _VERSION, _daily(8, 21)),
    "UK": Preset("UK", _VERSION, _daily(8, 21)),
    "US": _united_states("US"),
    "US-MA": _united_states("US-MA", _TWO_IN_SEVEN),
    "CO": Preset(
        "CO",
        _VERSION,
        ((7, 19),) * 5 + ((8, 15), None),
        holidays="CO",
        consent_required=_ALL,
        once_a_day=True,
        one_channel_within=_WEEK,
    ),
    "CL": Preset(
        "CL",
        _VERSION,
        ((8, 20),) * 6 + (None,),
        holidays="CL",
        at_most=(_CALL_A_WEEK, _MESSAGES_A_WEEK, _MESSAGES_APART),
    ),
    "MX": Preset("MX", _VERSION, _daily(7, 22)),
    "EC": Preset("EC", _VERSION, ((7, 20),) * 5 + (None, None), holidays="EC", once_a_day=True),
}

#: Countries (ISO 3166-1) whose rules are another's; Regulation F holds in the territories of the United States too.
_SYNONYMS = {"GB": "UK", "PR": "US", "GU": "US", "VI": "US", "AS": "US", "MP": "US", "UM": "US"}


def preset_for(country: str, region: str | None = None) -> Preset:
    """The preset of where a debtor lives: its region's, else its country's, else the default one."""
    here = PRESETS.get(region or "") or PRESETS.get(_SYNONYMS.get(country, country))
    return here or DEFAULT

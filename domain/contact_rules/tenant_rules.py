"""What a tenant adds to the contact rules. It only tightens: what it sets binds besides the jurisdiction's preset."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from domain.contact_rules.means import listed_means
from domain.contact_rules.presets import DEFAULT, PRESETS, AtMost, OpenHours, Preset, preset_for
from domain.kpis.messages import Weekday
from domain.vocabulary import Channel

_KEYS = {
    "also",
    "hours",
    "closed_weekdays",
    "holidays",
    "consent_required",
    "at_most",
    "once_a_day",
}
_HOLIDAY_COUNTRIES = {"CL", "CO", "DK", "EC", "ES", "FR", "GB", "MX", "US"}


class TenantRulesError(ValueError):
    """Rules that cannot be read; `code` is BAD_CONTACT_RULES, `field` the key that is wrong."""

    code = "BAD_CONTACT_RULES"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"contact_rules.{field}: {message}")
        self.field = field


def tenant_presets(rules: Mapping[str, Any] | None) -> tuple[Preset, ...]:
    """What a tenant's setting `contact_rules` adds to the preset of each debtor's jurisdiction; () for none.

    Keys, each optional: `also` (names of presets that bind every debtor), `hours` ({"from": 9, "to": 18}, local),
    `closed_weekdays`, `holidays` (a country), `consent_required` (channels), `at_most` ([{"channels", "contacts",
    "days"}]), `once_a_day`.

    Raises:
        TenantRulesError: a key or value that is no rule.
    """
    if not rules:
        return ()
    unknown = sorted(set(rules) - _KEYS)
    if unknown:
        raise TenantRulesError(unknown[0], f"there is no such rule; use one of {', '.join(sorted(_KEYS))}.")
    digest = hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()[:8]
    own = Preset(
        "TENANT",
        digest,
        _open_hours(rules),
        holidays=_holidays(rules.get("holidays")),
        consent_required=frozenset(_channels("consent_required", rules.get("consent_required", []))),
        at_most=tuple(_at_most(rule) for rule in _list("at_most", rules.get("at_most", []))),
        once_a_day=_flag("once_a_day", rules.get("once_a_day", False)),
    )
    return (*_also(rules.get("also", [])), own)


def presets_at(country: str, region: str | None, own: Sequence[Preset]) -> tuple[Preset, ...]:
    """What binds who lives there: the jurisdiction's preset, then those that the tenant adds (`tenant_presets`).

    Where the region is another country's, both bind: which of the two is wrong cannot be told.
    """
    if region is None or region.startswith(f"{country}-"):
        here = [preset_for(country, region)]
    else:
        both = dict.fromkeys([preset_for(country), preset_for(region.split("-")[0], region)])
        here = [preset for preset in both if preset is not DEFAULT] or [DEFAULT]
    return (*here, *(preset for preset in own if preset not in here))


def _also(names: Any) -> list[Preset]:
    found = []
    for name in _list("also", names):
        if name not in PRESETS:
            raise TenantRulesError("also", f"{name!r} is no preset; use one of {', '.join(PRESETS)}.")
        found.append(PRESETS[name])
    return found


def _open_hours(rules: Mapping[str, Any]) -> OpenHours:
    hours = rules.get("hours", {"from": 0, "to": 24})
    if not isinstance(hours, Mapping) or set(hours) != {"from", "to"}:
        raise TenantRulesError("hours", 'give {"from": 9, "to": 18}.')
    low, high = _whole("hours", hours["from"], 0, 23), _whole("hours", hours["to"], 1, 24)
    if low >= high:
        raise TenantRulesError("hours", f"{low} to {high} leaves no hour.")
    weekdays = list(Weekday)
    closed = set()
    for name in _list("closed_weekdays", rules.get("closed_weekdays", [])):
        if name not in Weekday.__members__:
            raise TenantRulesError("closed_weekdays", f"{name!r} is no weekday; write it like SUNDAY.")
        closed.add(Weekday[name])
    return tuple(None if weekday in closed else (low, high) for weekday in weekdays)


def _holidays(country: Any) -> str | None:
    if country is None:
        return None
    if country not in _HOLIDAY_COUNTRIES:
        known = ", ".join(sorted(_HOLIDAY_COUNTRIES))
        raise TenantRulesError(
            "holidays", f"{country!r} is no country whose holidays are known; use one of {known}."
        )
    return str(country)


def _at_most(rule: Any) -> AtMost:
    if not isinstance(rule, Mapping) or set(rule) != {"channels", "contacts", "days"}:
        raise TenantRulesError("at_most", 'give {"channels": ["VOICE"], "contacts": 2, "days": 7}.')
    contacts, days = _whole("at_most", rule["contacts"], 1, 1000), _whole("at_most", rule["days"], 1, 366)
    channels = frozenset(_channels("at_most", rule["channels"]))
    if not channels:
        raise TenantRulesError("at_most", "names no channel.")
    means = "" if channels == frozenset(Channel) else f" by {listed_means(channels)}"
    how_many = "one contact" if contacts == 1 else f"{contacts:,} contacts"
    span = "24 hours" if days == 1 else f"{days} days"
    message = f"At most {how_many}{means} in any {span}, by the creditor's own rules."
    return AtMost(f"TENANT_{contacts}_IN_{days}", channels, contacts, timedelta(days=days), message)


def _channels(field: str, names: Any) -> list[Channel]:
    for name in _list(field, names):
        if name not in Channel.__members__:
            raise TenantRulesError(field, f"{name!r} is no channel; use one of {', '.join(Channel)}.")
    return [Channel(name) for name in names]


def _list(field: str, given: Any) -> Sequence[Any]:
    if not isinstance(given, list):
        raise TenantRulesError(field, "give a list.")
    return given


def _flag(field: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise TenantRulesError(field, "give true or false.")
    return given


def _whole(field: str, given: Any, least: int, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise TenantRulesError(field, f"{given!r} is no whole number from {least} to {most}.")
    return given

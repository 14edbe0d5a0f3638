"""The documentation's table of presets is what the presets are."""

from domain.contact_rules import PRESETS, Preset
from domain.vocabulary import Channel
from tests.conftest import ROOT

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _hours(preset: Preset) -> str:
    spans: list[tuple[str, str, tuple[int, int] | None]] = []
    for day, window in zip(_DAYS, preset.open_hours, strict=True):
        if spans and spans[-1][2] == window:
            spans[-1] = (spans[-1][0], day, window)
        else:
            spans.append((day, day, window))
    named = [
        (first if first == last else f"{first}–{last}", window) for first, last, window in spans if window
    ]
    return ", ".join(f"{days} {low:02d}–{high:02d}" for days, (low, high) in named)


def _often(preset: Preset) -> str:
    found = [limit.message.rstrip(".") for limit in preset.at_most]
    if preset.once_a_day:
        found.append("once a day")
    if preset.one_channel_within:
        found.append(f"one channel in any {preset.one_channel_within.days} days")
    if preset.quiet_after_conversation:
        found.append(f"no call for {preset.quiet_after_conversation.days} days after a conversation")
    return "; ".join(found) or "–"


def _consent(preset: Preset) -> str:
    if preset.consent_required == frozenset(Channel):
        return "every channel"
    return ", ".join(sorted(preset.consent_required)) or "opt-out"


def table() -> str:
    rows = [
        f"| `{preset.name}` | {_hours(preset)} | {preset.holidays or '–'} | {_consent(preset)} | {_often(preset)} "
        f"| {'; '.join(preset.duties) or '–'} |"
        for preset in PRESETS.values()
    ]
    return "\n".join(rows)


def test_the_table_in_the_documentation_is_that_of_the_presets() -> None:
    assert table() in (ROOT / "docs/contact-rules.md").read_text(), f"put this into the page:\n{table()}"

"""A model card in Markdown: what a version learned from, how it did, what it may be used for, and what it rests on.

Made from the manifest that is signed with the model (`ml.artefact`) and the verdict of its gate, so it can be read
without loading the model. Source: Mitchell et al. 2019.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_VERDICTS = {True: "passed", False: "not passed", None: "cannot be known"}
_USE = (
    "To choose the channel and the hour of the next contact with debtors of this portfolio, or that none be made, "
    "within the contact rules, and to forecast what contacts bring. Not to decide who is lent to, on what terms, or "
    "what becomes of a debt; not for another creditor's debtors."
)
_LIMITS = (
    "It knows channels, hours and segments only as far as they were tried; where evidence is INSUFFICIENT it "
    "recommends nothing.",
    "What a contact moved is inferred from what was sent and paid; only a hold-out measures it.",
    "It takes the coming week to be like the recent past: it cannot foresee a change of law, prices or habits.",
    "Debtors with little history of their own are taken for their segment.",
)


def model_card(
    manifest: Mapping[str, Any],
    gate: Mapping[str, Any],
    *,
    version: int,
    status: str,
    trained_at: str,
    as_of: str,
) -> str:
    """Markdown. What an older manifest does not tell is said to be unknown. as_of: the instant of its knowledge."""
    sections = (
        _head(manifest, version, status, trained_at, as_of),
        _learned_from(manifest),
        _section("Intended use", [_USE]),
        _section("Limits", [f"- {limit}" for limit in _LIMITS]),
        _metrics(manifest),
        _gate(gate),
        _evidence(manifest),
        _features(manifest),
    )
    return "\n\n".join(sections) + "\n"


def _head(manifest: Mapping[str, Any], version: int, status: str, trained_at: str, as_of: str) -> str:
    libraries = ", ".join(f"{name} {release}" for name, release in manifest.get("libraries", {}).items())
    return "\n".join(
        (
            f"# Model version {version}",
            "",
            f"{status}, recipe `{manifest.get('recipe', 'unknown')}`, trained at {trained_at} as of {as_of}"
            + (f" with {libraries}." if libraries else "."),
        )
    )


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join((f"## {title}", "", *lines))


def _learned_from(manifest: Mapping[str, Any]) -> str:
    if "rows" not in manifest:
        return _section("Learned from", ["Unknown."])
    half_life = manifest.get("half_life_days")
    lines = [
        f"{manifest['rows']:,} communications sent from {manifest['data_from'][:10]} to {manifest['data_to'][:10]}, "
        f"{len(manifest['segments'])} segments, money in {manifest['currency']}.",
        "All of them count the same."
        if half_life is None
        else f"A contact counts half as much as one {half_life:g} days younger.",
    ]
    channels = manifest.get("channels", {})
    if channels:
        table = [f"| {channel} | {count:,} |" for channel, count in channels.items()]
        lines += ["", "| Channel | Communications |", "| --- | ---: |", *table]
    return _section("Learned from", lines)


def _metrics(manifest: Mapping[str, Any]) -> str:
    rows = [
        f"| {metric['name']} | {_number(metric['value'])} | {_interval(metric)} | {_number(metric['baseline'])} |"
        for metric in manifest.get("metrics", ())
    ]
    if not rows:
        return _section("How it did on later contacts", ["Unknown."])
    explained = (
        "On contacts later than those it had learned from. `log_loss`: its baseline is the channel's base rate. "
        "`calibration_error`: the mean gap between predicted and observed shares; its baseline is what chance alone "
        "would show. `rate`: observed, its baseline predicted."
    )
    header = ["| Figure | Value | 90 % interval | Baseline |", "| --- | ---: | --- | ---: |"]
    return _section("How it did on later contacts", [explained, "", *header, *rows])


def _gate(gate: Mapping[str, Any]) -> str:
    lines = [f"{'It may decide.' if gate.get('passed') else 'It may not decide.'}", ""]
    lines += [
        f"- {check['name']}: {_VERDICTS[check.get('passed')]}. {check['message']}"
        for check in gate.get("checks", ())
    ]
    return _section("Gate", lines)


def _evidence(manifest: Mapping[str, Any]) -> str:
    evidence: Mapping[str, Mapping[str, str]] = manifest.get("evidence", {})
    if not evidence:
        return _section("Evidence per segment", ["Unknown."])
    channels = list(next(iter(evidence.values())))
    rows = [
        f"| {_cell(segment)} | " + " | ".join(levels[name] for name in channels) + " |"
        for segment, levels in evidence.items()
    ]
    header = [f"| Segment | {' | '.join(channels)} |", "| --- |" + " --- |" * len(channels)]
    return _section("Evidence per segment", [*header, *rows])


def _features(manifest: Mapping[str, Any]) -> str:
    features: Mapping[str, str] = manifest.get("features", {})
    if not features:
        return _section("Features", ["Unknown."])
    age = "Age is among them." if "age" in features else "Age is not among them."
    names = ", ".join(f"`{name}`" for name in sorted(features))
    return _section(
        "Features",
        [f"As they stood when each contact was sent: {names}. {age} Segment and hour come on top."],
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _interval(metric: Mapping[str, Any]) -> str:
    if metric["low"] is None or metric["high"] is None:
        return "–"
    return f"{metric['low']:.4g} to {metric['high']:.4g}"


def _cell(text: str) -> str:
    """Names of segments are a creditor's own: none may break the table."""
    return " ".join(text.replace("|", "\\|").split())

from dataclasses import asdict, replace

from ml.artefact import pack
from ml.card import model_card
from ml.gate import judge
from tests.ml.factories import history, model

GATE = {"passed": False, "checks": [{"name": "value", "passed": None, "message": "No propensities."}]}


def test_a_card_tells_what_a_version_learned_from_how_it_did_and_what_it_rests_on() -> None:
    manifest = pack(model(), b"key", "here").manifest
    gate = asdict(judge(model(), None, history()))
    card = model_card(
        manifest,
        gate,
        version=7,
        status="CHAMPION",
        trained_at="2026-05-04T09:30:00",
        as_of="2026-05-01T00:00:00",
    )
    assert card.startswith("# Model version 7\n\nCHAMPION")
    assert "trained at 2026-05-04T09:30:00 as of 2026-05-01T00:00:00 with" in card
    titles = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert titles == [
        "Learned from",
        "Intended use",
        "Limits",
        "How it did on later contacts",
        "Gate",
        "Evidence per segment",
        "Features",
    ]
    assert f"{model().rows:,} communications" in card
    for metric in model().metrics:
        assert f"| {metric.name} |" in card
    for segment in model().segments:
        assert f"| {segment} |" in card
    for check in gate["checks"]:
        assert check["message"] in card
    for feature in model().space.names:
        assert f"`{feature}`" in card
    assert "Age is not among them." in card
    assert sum(manifest["channels"].values()) == model().rows


def test_a_card_of_an_older_manifest_says_what_it_does_not_know() -> None:
    card = model_card({}, GATE, version=1, status="CHALLENGER", trained_at="2026-05-01", as_of="2026-05-01")
    assert card.count("Unknown.") == 4
    assert "It may not decide." in card
    assert "- value: cannot be known. No propensities." in card


def test_names_of_segments_cannot_break_a_table() -> None:
    renamed = replace(model(), segments=("A|B\n# C", *model().segments[1:]))
    manifest = pack(renamed, b"key", "here").manifest
    card = model_card(
        manifest, GATE, version=1, status="CHALLENGER", trained_at="2026-05-01", as_of="2026-05-01"
    )
    assert "| A\\|B # C |" in card
    assert "\n# C" not in card

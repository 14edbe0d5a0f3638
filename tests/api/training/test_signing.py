"""The key that signs models: given, or made once and kept private."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import SecretStr

from api.settings import Settings
from api.training.signing import signing_key


def test_the_settings_key_wins(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, artefact_key=SecretStr("ours"))
    assert signing_key(settings) == b"ours"
    assert not list(tmp_path.iterdir())


def test_a_generated_key_is_kept_and_private(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    key = signing_key(settings)
    assert len(key) >= 32
    assert signing_key(settings) == key
    kept = tmp_path / "home" / "artefact.key"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["artefact.key"]


def test_two_at_once_agree(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: signing_key(settings), range(32)))) == 1

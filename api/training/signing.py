"""The key that signs model artefacts: only what was trained here is ever loaded."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from api.settings import Settings

_FILE = "artefact.key"


def signing_key(settings: Settings) -> bytes:
    """The settings' key, else one generated once and kept in `home`, readable by its owner alone.

    Raises:
        OSError: the home cannot be written.
    """
    if settings.artefact_key is not None:
        return settings.artefact_key.get_secret_value().encode()
    path = settings.home / _FILE
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _keep_new_key(path)
    return path.read_bytes()


def _keep_new_key(path: Path) -> None:
    """Whole or not at all, and the first of two processes wins."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()

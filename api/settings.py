"""What can be set from outside, parsed once at start; nothing is needed to start."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_POSTGRESQL_URL = re.compile(r"postgres(ql)?(\+\w+)?://[^/]*/[^/?]+")


class Settings(BaseSettings):
    """The environment of the product: `DUNWELL_…` variables (docs/contract/cli.md)."""

    model_config = SettingsConfigDict(env_prefix="DUNWELL_", frozen=True, extra="ignore")

    database_url: SecretStr | None = Field(
        default=None, description="A PostgreSQL of one's own; unset: an embedded one under `home`."
    )
    migrations_url: SecretStr | None = Field(
        default=None, description="A second URL, of the tables' owner, for migrations; unset: `database_url`."
    )
    home: Path = Field(
        default=Path(".dunwell"), description="Where the embedded PostgreSQL and generated keys live."
    )
    postgres_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="A fixed port for the embedded PostgreSQL; unset: a free one.",
    )
    profile: Literal["development", "production"] = Field(
        default="development", description="production: no IDE, no introspection, no suggestions in errors."
    )
    cors_origins: str = Field(
        default="", description="Comma-separated origins a browser may call from; empty: none."
    )
    artefact_key: SecretStr | None = Field(
        default=None, description="Signs model artefacts; unset: generated once and kept in `home`."
    )

    @field_validator("database_url", "migrations_url")
    @classmethod
    def _names_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _POSTGRESQL_URL.match(url.get_secret_value()):
            raise ValueError("must be a PostgreSQL URL, like postgresql://user:password@host:5432/database")
        return url

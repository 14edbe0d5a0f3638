"""What can be set from outside, parsed once at start; nothing is needed to start."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

#: Signatures that anybody can check and only the issuer can make: no shared secret, and not `none`.
_PUBLIC_ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
)
_ORIGIN = re.compile(r"\*|https?://[^\s/?#@]+", re.IGNORECASE)
_POSTGRESQL_URL = re.compile(r"postgres(ql)?(\+\w+)?://[^/]*/[^/?]+")


def is_safe_url(url: str) -> bool:
    """Whether a URL may be fetched and believed: https, or on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    )


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
    rate_limit: int = Field(
        default=120_000,
        ge=1,
        le=100_000_000,
        description="Requests a minute of one key or bearer, per server process.",
    )
    failed_logins: int = Field(
        default=60,
        ge=1,
        le=1_000_000,
        description="Keys and tokens a minute from one address that may be wrong, per server process.",
    )
    open_streams: int = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        description="Sockets and streams that one key or bearer may hold open, per server process.",
    )
    trusted_documents: Literal["optional", "only"] = Field(
        default="optional",
        description="only: no document is run that was not added by `dunwell documents add`.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="The OpenID Connect issuer whose tokens are taken beside API keys; unset: none.",
    )
    oidc_audience: str | None = Field(
        default=None,
        validate_default=True,
        description="What tokens must be meant for; needed with an issuer.",
    )
    oidc_jwks_url: str | None = Field(
        default=None, description="Where the issuer's keys are; unset: where its discovery document says."
    )
    oidc_algorithms: str = Field(default="RS256,ES256", description="Comma-separated; of public keys only.")
    oidc_leeway_seconds: int = Field(default=30, ge=0, le=300, description="How far clocks may differ.")
    oidc_tenant_claim: str = Field(
        default="dunwell_tenant", description="The claim that holds the tenant's key."
    )
    oidc_role_claim: str = Field(default="dunwell_role", description="The claim that holds the role.")
    oidc_personal_data_scope: str = Field(
        default="dunwell.personal_data", description="The scope that a token needs to read personal data."
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

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: str) -> str:
        for origin in filter(None, map(str.strip, given.split(","))):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError("must be origins, comma-separated, without paths: https://desk.example")
        return given

    @field_validator("artefact_key")
    @classmethod
    def _is_there(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not key.get_secret_value().strip():
            raise ValueError("must not be empty, or anybody could sign a model; without it one is generated")
        return key

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _is_safe(cls, url: str | None) -> str | None:
        if url is not None and not is_safe_url(url):
            raise ValueError("must be an https URL (http only on this machine)")
        return url

    @field_validator("oidc_algorithms")
    @classmethod
    def _are_public(cls, given: str) -> str:
        names = [name.strip() for name in given.split(",")]
        if not set(names) <= _PUBLIC_ALGORITHMS:
            raise ValueError(f"must name some of {', '.join(sorted(_PUBLIC_ALGORITHMS))}")
        return ",".join(names)

    @field_validator("oidc_audience")
    @classmethod
    def _says_for_whom(cls, audience: str | None, others: ValidationInfo) -> str | None:
        if others.data.get("oidc_issuer") is not None and not audience:
            raise ValueError("must say what tokens of the issuer must be meant for")
        return audience

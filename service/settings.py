"""What an operator can set, by environment variable. Reading them checks nothing on the machine."""

import base64
import binascii
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain.instant import SECOND, Duration

KEY_BYTES = 32


class Settings(BaseSettings):
    """One process's settings; each comes from `FERMATA_<NAME>` (and `DATABASE_URL` as it is)."""

    model_config = SettingsConfigDict(env_prefix="FERMATA_", frozen=True, extra="ignore")

    database_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "FERMATA_DATABASE_URL", "database_url"),
        description="A PostgreSQL of your own; without it one is embedded.",
    )
    data_dir: Path | None = Field(
        default=None, description="Where the embedded PostgreSQL keeps its data."
    )
    key_encryption_key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64 that wrap every artist's own key. Losing it loses what "
        "artists said; with the embedded database it is made and kept beside the data.",
    )

    issuer: str | None = Field(default=None, description="The OpenID provider's issuer URL.")
    audience: str = Field(default="fermata", description="The audience tokens must be meant for.")
    local_issuer: bool = Field(
        default=False, description="Issue tokens for development; never beside a real issuer."
    )
    local_issuer_secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="The development client's secret; made up where not given.",
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1_024)
    log_level: str = "info"

    head_timeout_ms: int = Field(
        default=2_000, ge=1, description="How long a strong check waits for the ledger's head."
    )
    max_clock_disagreement_ms: int = Field(
        default=5_000,
        ge=1,
        description="Beyond this the ledger's and this machine's clocks disagree, and nothing is "
        "permitted by window until they agree.",
    )
    tail_interval_ms: int = Field(
        default=20, ge=1, description="How often the index looks for new events by itself."
    )

    @model_validator(mode="after")
    def _one_issuer(self) -> Self:
        if self.local_issuer and self.issuer is not None:
            message = "the local issuer is for development: unset FERMATA_ISSUER or switch it off"
            raise ValueError(message)
        return self

    @property
    def head_timeout(self) -> float:
        """Seconds a strong check waits for the ledger's head."""
        return self.head_timeout_ms / 1_000

    @property
    def max_clock_disagreement(self) -> Duration:
        """The bound in microseconds."""
        return self.max_clock_disagreement_ms * SECOND // 1_000


def read_key(text: str) -> bytes:
    """Decode a key encryption key. Raises ValueError saying how to make one."""
    advice = "set FERMATA_KEY_ENCRYPTION_KEY to 32 random bytes in base64: openssl rand -base64 32"
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(advice) from None
    if len(key) != KEY_BYTES:
        raise ValueError(advice)
    return key

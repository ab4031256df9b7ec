"""What an operator can set, by environment variable. Reading them checks nothing on the machine."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.domain.instant import SECOND, Duration, parse_duration

KEY_BYTES = 32


def _parts(text: object) -> object:
    """Read a list as people write it in a variable: parts with commas between them."""
    if not isinstance(text, str):
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_duration(text: str) -> str:
    parse_duration(text)
    return text


_Listed = (NoDecode, BeforeValidator(_parts))
_Names = Annotated[tuple[str, ...], *_Listed]
_Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65_535)], ...], *_Listed]
_Durations = Annotated[tuple[Annotated[str, AfterValidator(_is_duration)], ...], *_Listed]


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

    public_url: str | None = Field(
        default=None,
        description="Where artists reach this service: the pages, and the links in letters.",
    )
    platform_settings_url: str | None = Field(
        default=None, description="The platform's own settings page, for letters to point to."
    )
    login_client_id: str | None = Field(
        default=None, description="This service's client at the issuer, for signing in to pages."
    )
    login_client_secret: SecretStr | None = Field(
        default=None, min_length=1, description="That client's secret; a public client has none."
    )

    pdp_url: str | None = Field(
        default=None,
        description="Where pipelines reach this service, for AuthZEN's metadata; else the public "
        "URL.",
    )
    pdp_signing_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="A private P-256 key, PEM or JWK, that signs AuthZEN's metadata.",
    )
    authzen_content_types: _Names = Field(
        default=("content", "track", "upload", "record"),
        description="AuthZEN types of resource that mean content.",
    )
    authzen_artist_types: _Names = Field(
        default=("artist",), description="AuthZEN types of resource that mean artists."
    )

    send_notices: bool = Field(
        default=True, description="Send notices from `fermata serve`; else run `fermata worker`."
    )
    reminders: _Durations = Field(
        default=("P7D", "P1D"), description="How long before a window closes artists are reminded."
    )
    webhook_calls_per_minute: int = Field(default=600, ge=1)
    emails_per_minute: int = Field(default=600, ge=1)
    webhook_ports: _Ports = Field(default=(443,), description="Ports that webhooks may be sent to.")
    webhook_allowed_networks: _Names = Field(
        default=(), description="Private networks that webhooks may be sent to after all."
    )
    webhook_development: bool = Field(
        default=False, description="Allow webhooks to plain HTTP on this machine."
    )
    smtp_host: str | None = Field(default=None, description="The mail server; none, no e-mail.")
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_encryption: Literal["starttls", "tls", "unsafe_none"] = Field(
        default="starttls", description="How the connection to the mail server is protected."
    )
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_helo: str | None = None
    mail_from: str | None = Field(default=None, description="The address that letters come from.")
    mail_reply_to: str | None = None
    bounce_address: str | None = Field(
        default=None, description="Where bounces go; each letter adds its own mark to it."
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="How many processes answer on this machine, each with an index of its own.",
    )
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1_024)
    max_arrow_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1_024, le=64 * 1024 * 1024, description="Of a check in Arrow."
    )
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

    changes_max_behind: int = Field(
        default=1_000_000,
        ge=1,
        description="How many events a reader of changes may be behind; beyond, it starts anew.",
    )
    changes_max_readers: int = Field(
        default=100, ge=1, description="How many readers of changes one process has at once."
    )
    changes_heartbeat_ms: int = Field(
        default=15_000,
        ge=10,
        description="How often a stream of changes says where it is while nothing changes.",
    )

    snapshot_dir: Path | None = Field(
        default=None,
        description="Where snapshots of the index lie, so that starting takes seconds; beside the "
        "embedded database's data unless set, and nowhere with a database of your own.",
    )
    snapshot_events: int = Field(
        default=10_000, ge=1, description="How many events the newest snapshot may be behind."
    )
    snapshot_interval: Annotated[str, AfterValidator(_is_duration)] = Field(
        default="PT1H", description="How long it may be behind, by the ledger's clock."
    )

    sealed_decisions: str | None = Field(
        default=None,
        min_length=1,
        description="Where closed months of the decision log are sealed: a folder, or a bucket as "
        "s3://, gs:// or az://; beside the embedded database's data unless set, and nowhere with a "
        "database of your own, where they stay in that.",
    )
    sealed_cache_dir: Path | None = Field(
        default=None,
        description="Where months are put together to be sealed, and where copies of files in a "
        "bucket lie that are looked into; a temporary folder unless set.",
    )
    sealed_cache_bytes: int = Field(
        default=4 * 1024**3, ge=1, description="How much room such copies may take."
    )

    log_origin: str | None = Field(
        default=None,
        description="What the ledger is called in its checkpoints, for ever: the address of /log "
        "without https://. As the public URL says, unless set.",
    )
    log_signing_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="A private Ed25519 key, PEM or PRIVATE+KEY+..., that signs checkpoints; else "
        "one that follows from the key encryption key.",
    )
    log_old_keys: _Names = Field(
        default=(), description="Verifier keys of those that signed checkpoints before that one."
    )
    log_dir: Path | None = Field(
        default=None,
        description="Where the last checkpoint is kept outside of the database, so that a ledger "
        "which went back is noticed; beside the embedded database's data unless set, and nowhere "
        "with a database of your own.",
    )
    log_witnesses: _Names = Field(
        default=(),
        description="Witnesses that are asked to cosign, and at each start what they remember: "
        "each its address, a space and its key.",
    )
    log_entries: Literal["public", "audit"] = Field(
        default="public",
        description="Who may read the ledger's entries as they are: everybody, or auditors.",
    )
    checkpoint_interval_ms: int = Field(
        default=1_000, ge=1, description="How often a checkpoint is signed, if there are events."
    )

    exports: str | None = Field(
        default=None,
        min_length=1,
        description="Where audit exports are kept: a folder, or a URL (s3://, gs://, az://); "
        "beside the embedded database's data unless set, and nowhere with a database of your own.",
    )
    exports_keep: Annotated[str, AfterValidator(_is_duration)] = Field(
        default="P30D", description="How long after they are ready."
    )
    build_exports: bool = Field(
        default=True, description="Build exports in this service; else another one does."
    )

    controller_address: str | None = Field(
        default=None, description="The platform's postal address, for records and receipts."
    )
    controller_contact: str | None = Field(
        default=None, description="Whom artists write to about their data, for the same."
    )
    jurisdiction: str | None = Field(
        default=None, description="Whose law applies, for the same: ISO 3166 codes such as DE."
    )
    storage_location: str | None = Field(
        default=None, description="Where the data lies, for the same: ISO 3166 codes such as DE."
    )

    @model_validator(mode="after")
    def _one_issuer(self) -> Self:
        if self.local_issuer and self.issuer is not None:
            message = "the local issuer is for development: unset FERMATA_ISSUER or switch it off"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if set(self.authzen_content_types) & set(self.authzen_artist_types):
            message = "a type of resource means content or artists, not both"
            raise ValueError(message)
        return self

    def environment(self, *names: str) -> dict[str, str]:
        """Return those of these settings that are set as a process of ours is told them."""
        told = {}
        for name in names:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            if value is not None:
                variable = "DATABASE_URL" if name == "database_url" else f"FERMATA_{name.upper()}"
                told[variable] = str(value)
        return told

    @property
    def head_timeout(self) -> float:
        """Seconds a strong check waits for the ledger's head."""
        return self.head_timeout_ms / 1_000

    @property
    def changes_heartbeat(self) -> float:
        """Seconds after which a stream of changes says where it is."""
        return self.changes_heartbeat_ms / 1_000

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

"""Shapes of receipts: JSON-LD, called as ISO/IEC TS 27560 calls its fields."""

from typing import Annotated, Any

from pydantic import Field

from service.api.schemas.types import Shape

_Base64 = Annotated[str, Field(description="Standard base64.")]


class OpeningOut(Shape):
    """What the entry's `commitment` commits to: HMAC-SHA256 of `details` under `key`."""

    key: _Base64
    details: Annotated[str, Field(description="JSON, byte for byte as it was committed to.")]


class ReceiptProofOut(Shape):
    """How the receipt proves itself.

    `statement` is a note signed by the log; it names the SHA-256 of the canonical JSON (RFC 8785)
    of the receipt without its `proof`.
    """

    statement: str
    entry: Annotated[str, Field(description="The ledger's entry, in base64.")]
    opening: OpeningOut
    inclusion: Annotated[
        dict[str, Any],
        Field(description="The entry's inclusion in a checkpoint, as /log/proof gives it."),
    ]


class ReceiptOut(Shape):
    """A consent receipt: a copy of the record, with the proof of it."""

    context: Annotated[dict[str, Any], Field(alias="@context")]
    type: Annotated[str, Field(alias="@type")]
    schema_version: str
    receipt_id: str
    record: Annotated[dict[str, Any], Field(description="Header, processing, parties, events.")]
    proof: ReceiptProofOut

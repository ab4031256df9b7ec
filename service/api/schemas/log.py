"""Shapes of proofs: of entries in Sigstore's words, of growth in those of RFC 6962."""

from typing import Annotated

from pydantic import Field

from service.api.schemas.types import Shape

_Hash = Annotated[str, Field(description="32 bytes in standard base64.", max_length=44)]
_Number = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]*)$", max_length=19)]
_Size = Annotated[int, Field(ge=0, le=2**63 - 1)]


class EnvelopeOut(Shape):
    """A checkpoint as it is signed."""

    envelope: Annotated[str, Field(description="A signed note, word for word.")]


class InclusionProofOut(Shape):
    """That an event is in the ledger: the fields of a Sigstore bundle's `inclusionProof`.

    The event's leaf hash is SHA-256 over a zero byte and the entry (RFC 6962 section 2.1).
    """

    log_index: Annotated[_Number, Field(alias="logIndex", description="The revision less one.")]
    root_hash: Annotated[_Hash, Field(alias="rootHash")]
    tree_size: Annotated[_Number, Field(alias="treeSize")]
    hashes: Annotated[list[_Hash], Field(description="The leaf's sibling first.", max_length=63)]
    checkpoint: EnvelopeOut
    entry: Annotated[
        str | None,
        Field(description="The event's bytes in base64; null where entries are for auditors."),
    ]


class ConsistencyProofOut(Shape):
    """That the ledger of one size begins with the ledger of a smaller one (RFC 6962, 2.1.2)."""

    first: Annotated[_Size, Field(description="The older size.")]
    second: Annotated[_Size, Field(description="The newer size.")]
    first_root_hash: _Hash
    second_root_hash: _Hash
    consistency: Annotated[list[_Hash], Field(max_length=126)]

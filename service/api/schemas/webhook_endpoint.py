"""Shapes of the platform's webhook endpoint."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from service.api.schemas.types import InstantOut, Shape, storable
from service.notices.channels.safe_address import LONGEST_URL


class EndpointIn(Shape):
    """Where the platform listens."""

    url: Annotated[
        str,
        StringConstraints(min_length=1, max_length=LONGEST_URL),
        AfterValidator(storable),
        Field(
            description="An https URL whose host is a name on the public internet.",
            examples=["https://hooks.example/fermata"],
        ),
    ]


class RotationIn(Shape):
    """How the keys are replaced."""

    force: bool = Field(default=False, description="Even within 24 hours of the last rotation.")
    leaked: bool = Field(
        default=False, description="The keys so far stop signing at once, not after 24 hours."
    )


class EndpointOut(Shape):
    """The endpoint. `secret` is there only in the answer that made it."""

    endpoint: str
    url: str
    registered_at: InstantOut
    proven_at: InstantOut | None = Field(
        description="When it repeated a challenge. Until then nothing is sent to it."
    )
    secret: str | None = Field(description="The shared secret (v1), shown once; else null.")
    public_key: str = Field(description="Verifies the signatures of scheme v1a (Ed25519).")
    previous_public_key: str | None = Field(
        description="The one before a rotation, while its key still signs beside the new one."
    )
    rotated_at: InstantOut | None
    closed_at: InstantOut | None = Field(
        description="When it answered 410. Put or challenge it again to send to it again."
    )
    closed_reason: str | None


class ChallengeOut(EndpointOut):
    """What came of a challenge. `trouble` says why the endpoint has not proven itself, or null."""

    trouble: str | None


class EndpointRemoved(Shape):
    """What removing did."""

    removed: bool

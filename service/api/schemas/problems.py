"""The shape of a problem (RFC 9457)."""

from pydantic import BaseModel, Field


class ErrorOut(BaseModel):
    """One thing in the way."""

    field: str
    code: str
    message: str


class ProblemOut(BaseModel):
    """A problem (RFC 9457). `type` and each error's `code` are stable."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ErrorOut] | None = None
    earliest: int | None = Field(
        default=None, description="Where changes could be read from (`too-far-behind`)."
    )

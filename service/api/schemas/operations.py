"""Shapes of what operators ask."""

from typing import Literal

from service.api.schemas.types import Revision, Shape


class Liveness(Shape):
    """The process runs."""

    status: Literal["alive"] = "alive"


class Readiness(Shape):
    """Whether this replica answers, at which revision."""

    status: Literal["ready"] = "ready"
    revision: Revision

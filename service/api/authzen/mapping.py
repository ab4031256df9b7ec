"""From AuthZEN's words to ours, and back: the subject is the recipient, the action the use."""

from dataclasses import dataclass
from typing import Final

from service.api.authzen.entities import AuthzenContext, AuthzenResource, AuthzenSubject
from service.api.check_wire import consistency_of
from service.api.problems import BodyMalformed
from service.decisions.evaluate import NOBODY, NOTHING, Column, Question
from service.decisions.question import STRONG, About, Consistency
from service.domain.refusal import Refused
from service.domain.uses import is_recipient
from service.settings import Settings

PIPELINE: Final = "pipeline"
"""The type of subject that stands for the platform itself; its id is recorded as a job."""
INTERNAL: Final = "internal"


@dataclass(frozen=True, slots=True)
class Types:
    """What the platform calls its resources."""

    content: frozenset[str]
    artists: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> "Types":
        """Return them as they are configured."""
        return cls(
            frozenset(settings.authzen_content_types), frozenset(settings.authzen_artist_types)
        )

    def about(self, resource_type: str) -> About | None:
        """Return what a type of resource means here, or None where it means nothing."""
        if resource_type in self.content:
            return About.CONTENT
        return About.ARTISTS if resource_type in self.artists else None


def recipient_of(subject: AuthzenSubject) -> str:
    """Return the recipient that a subject is; `NOBODY` where none can have such a name.

    A type with a colon names nobody: `{"type": "partner:a", "id": "b"}` must not be taken for
    `{"type": "partner", "id": "a:b"}`.
    """
    if subject.type == PIPELINE:
        return INTERNAL
    name = f"{subject.type}:{subject.id}"
    return name if ":" not in subject.type and is_recipient(name) else NOBODY


def subject_of(recipient: str) -> tuple[str, str]:
    """Return the type and the id of the subject that is this recipient.

    Any pipeline may do what `internal` may; the one named so stands for all of them.
    """
    if recipient == INTERNAL:
        return PIPELINE, INTERNAL
    kind, _, one = recipient.partition(":")
    return kind, one


def column_of(
    subject: AuthzenSubject | None,
    use: str,
    resource_type: str,
    context: AuthzenContext | None,
    types: Types,
) -> Column:
    """Return what is asked, but for the one resource. Raises BodyMalformed."""
    asked = context or AuthzenContext()
    return Column(
        use=use,
        recipient=NOBODY if subject is None else recipient_of(subject),
        about=types.about(resource_type) or About.CONTENT,
        consistency=_consistency(asked),
        min_policy_version=asked.min_policy_version,
        job=subject.id if subject is not None and subject.type == PIPELINE else None,
        run=asked.run,
    )


def one_of(resource: AuthzenResource, types: Types) -> str:
    """Return the id of the content or artist; of a type that means nothing here, nothing's id."""
    return resource.id if types.about(resource.type) is not None else NOTHING


def question_of(
    subject: AuthzenSubject,
    use: str,
    resource: AuthzenResource,
    context: AuthzenContext | None,
    types: Types,
) -> Question:
    """Return the question in our words. Raises BodyMalformed."""
    column = column_of(subject, use, resource.type, context, types)
    return Question(column, one_of(resource, types))


def _consistency(asked: AuthzenContext) -> Consistency:
    if asked.consistency == "strong":
        return STRONG
    try:
        return consistency_of(asked.consistency)
    except Refused as refused:
        message = f"context.{refused}"
        raise BodyMalformed(message) from None

"""A request for many evaluations, read so that what is wrong with one stays its own (section 7)."""

from typing import Annotated, TypeAlias, TypeVar

import msgspec

from service.api.authzen.entities import (
    AuthzenAction,
    AuthzenContext,
    AuthzenResource,
    AuthzenSubject,
    EvaluationsOptions,
    Semantic,
    decoded,
)
from service.api.authzen.mapping import Types, column_of, one_of
from service.api.problems import BodyMalformed
from service.api.schemas.types import MOST_ROWS
from service.decisions.evaluate import Column, Question

_Part: TypeAlias = msgspec.Raw | msgspec.UnsetType
_T = TypeVar("_T")
_NULL = b"null"


class _Item(msgspec.Struct):
    """An evaluation, or the defaults of all, before anybody looks into its parts."""

    subject: _Part = msgspec.UNSET
    action: _Part = msgspec.UNSET
    resource: _Part = msgspec.UNSET
    context: _Part = msgspec.UNSET


class _Sent(_Item):
    """Of a request for many only what it takes to find them."""

    evaluations: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_ROWS)] | None = None
    options: EvaluationsOptions | None = None


class Batch:
    """What was sent. Raises BodyMalformed for what is wrong with all of it."""

    def __init__(self, body: bytes, types: Types) -> None:
        """Read as much as it takes to tell one evaluation from the next."""
        sent = decoded(_Sent, body)
        self.items = sent.evaluations or []
        """The evaluations, none of them understood yet; without any it is a single one."""
        self.semantic: Semantic = (sent.options or EvaluationsOptions()).evaluations_semantic
        self._types = types
        parts = {"subject": sent.subject, "action": sent.action, "resource": sent.resource}
        self._sent = parts | {"context": sent.context}
        # The context alone is optional, and null at the top is as good as nothing.
        if isinstance(sent.context, msgspec.Raw) and bytes(sent.context) == _NULL:
            self._sent["context"] = msgspec.UNSET
        self._defaults: dict[str, object] = {}
        self._columns: dict[tuple[str, str, str, str], Column] = {}

    def understood(self, raw: msgspec.Raw) -> Question | str:
        """Return one question with its defaults, or what is wrong with it."""
        try:
            item = decoded(_Item, raw)
            subject = self._part("subject", AuthzenSubject, item.subject)
            action = self._part("action", AuthzenAction, item.action)
            resource = self._part("resource", AuthzenResource, item.resource)
            column = self._column(item.context, subject, action, resource)
            return Question(column, one_of(resource, self._types))
        except BodyMalformed as error:
            return str(error)

    def _column(
        self,
        context: _Part,
        subject: AuthzenSubject,
        action: AuthzenAction,
        resource: AuthzenResource,
    ) -> Column:
        """Return what is asked but for the one resource, worked out once where many share it."""
        if not isinstance(context, msgspec.UnsetType):
            own = self._part("context", AuthzenContext, context)
            return column_of(subject, action.name, resource.type, own, self._types)
        key = (subject.type, subject.id, action.name, resource.type)
        column = self._columns.get(key)
        if column is None:
            default = None
            if not isinstance(self._sent["context"], msgspec.UnsetType):
                default = self._part("context", AuthzenContext, context)
            column = column_of(subject, action.name, resource.type, default, self._types)
            self._columns[key] = column
        return column

    def _part(self, name: str, kind: type[_T], own: _Part) -> _T:
        """Return an evaluation's own entity, or else the whole default (section 7.1.1)."""
        if not isinstance(own, msgspec.UnsetType):
            return decoded(kind, own, within=name)
        default = self._defaults.get(name)
        if isinstance(default, kind):
            return default
        raw = self._sent[name]
        if isinstance(raw, msgspec.UnsetType):
            message = f"{name}: give it here, or as a default for all"
            raise BodyMalformed(message)
        found = self._defaults[name] = decoded(kind, raw, within=name)
        return found

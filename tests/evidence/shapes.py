"""The shapes of the packs' documents, as docs/evidence.md promises them: every name there is."""

from typing import Any, Final

Shape = dict[str, Any]


def _object(**properties: Shape) -> Shape:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Shape) -> Shape:
    return {"type": "array", "items": items}


def _or_null(shape: Shape) -> Shape:
    return {"anyOf": [shape, {"type": "null"}]}


def _one_of(*words: str) -> Shape:
    return {"enum": list(words)}


_TEXT: Final[Shape] = {"type": "string"}
_FILLED: Final[Shape] = {"type": "string", "minLength": 1}
_NUMBER: Final[Shape] = {"type": "integer", "minimum": 0}
_YES_NO: Final[Shape] = {"type": "boolean"}
_DAY: Final[Shape] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_INSTANT: Final[Shape] = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
_MODE: Final = _one_of("prohibited", "opt_in", "opt_out", "open")
_GROUND: Final = _one_of("opted_in", "window_closed", "open", "artist_erased", "not_confirmed")
_SCOPE: Final = _object(
    platform=_TEXT,
    use=_FILLED,
    recipient=_FILLED,
    run=_or_null(_TEXT),
    since=_or_null(_INSTANT),
    until=_or_null(_INSTANT),
    revision=_NUMBER,
    as_of=_INSTANT,
)

_ARTISTS: Final = {"artists": _or_null(_NUMBER), "withheld": _or_null(_FILLED)}
_CONTENT: Final = {**_ARTISTS, "content": _or_null(_NUMBER)}

EU_SUMMARY: Final = _object(
    schema={"const": "fermata.eu-training-summary/1"},
    title=_FILLED,
    scope=_SCOPE,
    sections=_list(
        _object(
            number=_FILLED,
            title=_FILLED,
            fields=_list(
                _object(key=_FILLED, label=_FILLED, hint=_TEXT, fermata=_or_null(_FILLED))
            ),
        )
    ),
    figures=_object(
        decisions=_object(number=_NUMBER, first=_or_null(_DAY), last=_or_null(_DAY)),
        permitted=_object(
            groups=_list(
                _object(
                    ground=_GROUND,
                    policy_version=_or_null(_NUMBER),
                    mode=_or_null(_MODE),
                    **_CONTENT,
                )
            ),
            total=_object(**_CONTENT, at_least=_YES_NO),
            confirmed=_object(**_CONTENT, at_least=_YES_NO),
            not_confirmed=_object(**_CONTENT, at_least=_YES_NO),
        ),
        not_permitted=_object(
            groups=_list(_object(reason=_FILLED, **_CONTENT)),
            total=_object(**_CONTENT, at_least=_YES_NO),
        ),
        registered=_object(first=_or_null(_DAY), last=_or_null(_DAY)),
        versions=_list(
            _object(
                version=_NUMBER,
                mode=_MODE,
                lists_recipient=_YES_NO,
                published=_DAY,
                launch_terms=_YES_NO,
                editorial=_YES_NO,
                notice_period=_FILLED,
                languages=_list(_FILLED),
                announced=_or_null(_DAY),
                channels=_list(_FILLED),
                reached=_object(**_ARTISTS, at_least=_YES_NO),
                window_closed=_object(**_ARTISTS),
                window_running=_object(**_ARTISTS),
                came_back=_object(**_ARTISTS),
            )
        ),
        own_words=_object(no=_object(**_ARTISTS), yes=_object(**_ARTISTS)),
    ),
    fewest_artists_given={"const": 10},
    not_covered=_list(_FILLED),
)

LICENSING: Final = _object(
    schema={"const": "fermata.licensing-certification/1"},
    title=_FILLED,
    scope=_SCOPE,
    decisions=_object(number=_NUMBER, first_at=_or_null(_INSTANT), last_at=_or_null(_INSTANT)),
    totals=_object(
        asked=_NUMBER,
        content=_NUMBER,
        rightsholders=_NUMBER,
        erased_rightsholders=_NUMBER,
        yes_of_all=_NUMBER,
        without_yes=_NUMBER,
    ),
    grounds=_list(
        _object(
            ground=_GROUND,
            policy_version=_or_null(_NUMBER),
            mode=_or_null(_MODE),
            content=_NUMBER,
            rightsholders=_NUMBER,
        )
    ),
    without_yes=_list(
        _object(
            content=_FILLED,
            isrc=_or_null(_FILLED),
            title=_or_null(_FILLED),
            why=_GROUND,
            rightsholder=_or_null(_FILLED),
            erased=_YES_NO,
        )
    ),
    tables=_list(
        _object(
            files=_list(_FILLED),
            rows=_NUMBER,
            columns=_list(
                _object(
                    name=_FILLED,
                    type=_one_of("text", "integer", "boolean", "instant"),
                    nullable=_YES_NO,
                    description=_FILLED,
                )
            ),
        )
    ),
    not_covered=_list(_FILLED),
)

"""Entity tags as headers carry them (RFC 9110 section 8.8.3)."""

import re
from dataclasses import dataclass
from typing import Final

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_BETWEEN: Final = re.compile(r"[ \t,]*")


@dataclass(frozen=True, slots=True)
class EntityTag:
    """One entity tag. A weak one does not stand for every byte, so it proves less."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f'{"W/" if self.weak else ""}"{self.opaque}"'


def entity_tags(header: str) -> list[EntityTag]:
    """Return the tags of an `If-Match` or `If-None-Match`; none of what is not a list of tags."""
    text = header.strip()
    found: list[EntityTag] = []
    position = 0
    while position < len(text):
        tag = _TAG.match(text, position)
        if tag is None:
            return []
        found.append(EntityTag(tag[2], weak=tag[1] is not None))
        between = _BETWEEN.match(text, tag.end())
        position = between.end() if between else tag.end()
    return found


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Tell whether whoever sent this has the representation (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    opaque = {tag.opaque for tag in entity_tags(etag)}
    return any(known.opaque in opaque for known in entity_tags(if_none_match))

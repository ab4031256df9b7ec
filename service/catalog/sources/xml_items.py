"""The entries of an XML message one at a time, from a file that need not be trusted.

Document type declarations are refused, so no entity can be declared, let alone expanded; so are
files beyond a size, nesting beyond a depth, and single entries too big to hold.
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser, create_parser

SIZE_LIMIT = 64 * 1024 * 1024
"""The biggest file read unless told otherwise, in bytes."""
DEPTH_LIMIT = 64
"""The deepest nesting of elements."""
ENTRY_LIMIT = 8 * 1024 * 1024
"""The biggest single entry held in memory: characters of text, with 100 for each element."""

_CHUNK = 65_536
_ELEMENT_COST = 100
_ROOT, _LIST = 1, 2


class XmlRefusedError(Exception):
    """The file cannot be read on: at which line, and why in words for whoever sent it."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass(slots=True)
class Node:
    """One element: its name without prefix, attributes, own text, children, and its line."""

    tag: str
    attributes: dict[str, str]
    line: int
    own_text: list[str] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)

    def all(self, path: str) -> list["Node"]:
        """The elements at a path of names like `ResourceId/ISRC`, in document order."""
        found = [self]
        for tag in path.split("/"):
            found = [child for node in found for child in node.children if child.tag == tag]
        return found

    def first(self, path: str) -> "Node | None":
        """The first element at a path, or None."""
        return next(iter(self.all(path)), None)

    def text(self) -> str:
        """Its own text, runs of white space made one space; empty if there is none."""
        return " ".join("".join(self.own_text).split())

    def text_at(self, path: str) -> str:
        """The first text that is not empty at a path; empty if there is none."""
        return next((text for node in self.all(path) if (text := node.text())), "")


class Entry(NamedTuple):
    """One child of one of the lists that the message's root element holds."""

    parent: str
    node: Node


def root_of(path: Path) -> Node:
    """The root element, without what is in it.

    Raises:
        XmlRefusedError: there is none, or the file is refused before it comes.
        OSError: the file cannot be read.

    """
    for node in _nodes(path, frozenset(), SIZE_LIMIT):
        if isinstance(node, Node):
            return node
    raise XmlRefusedError(1, "it is not XML: it has no element")


def xml_entries(path: Path, lists: Collection[str], *, limit: int = SIZE_LIMIT) -> Iterator[Entry]:
    """The children of the root's children named in `lists`, each as soon as it is closed.

    Memory holds one entry at a time, whatever the size of the file.

    Raises:
        XmlRefusedError: the file is not well-formed, declares a document type, or passes a limit;
            what came before has been yielded.
        OSError: the file cannot be read.

    """
    for node in _nodes(path, frozenset(lists), limit):
        if isinstance(node, Entry):
            yield node


def _nodes(path: Path, lists: frozenset[str], limit: int) -> Iterator["Node | Entry"]:
    """The root alone as a Node, then the entries."""
    parser = create_parser(forbid_dtd=True)
    handler = _Entries(parser, lists)
    parser.setContentHandler(handler)
    read = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            read += len(chunk)
            if read > limit:
                reason = f"the file is bigger than the {limit} bytes that are read"
                raise XmlRefusedError(parser.getLineNumber(), reason)
            try:
                parser.feed(chunk)
            except _FAULTS as fault:
                yield from handler.drain()
                raise _refusal(fault, parser) from fault
            yield from handler.drain()
    try:
        parser.close()
    except _FAULTS as fault:
        raise _refusal(fault, parser) from fault


_FAULTS = (SAXException, DefusedXmlException, LookupError, ValueError)


def _refusal(fault: Exception, parser: DefusedExpatParser) -> XmlRefusedError:
    if isinstance(fault, DefusedXmlException):
        reason = "it declares a document type or entities, which no message needs: leave them out"
        return XmlRefusedError(parser.getLineNumber() or 1, reason)
    if isinstance(fault, SAXParseException):
        reason = f"it is not well-formed XML: {fault.getMessage()}"
        return XmlRefusedError(fault.getLineNumber() or 1, reason)
    return XmlRefusedError(parser.getLineNumber() or 1, str(fault))


class _Entries(ContentHandler):
    """Builds the entries of the wanted lists and lets everything else go by."""

    def __init__(self, parser: DefusedExpatParser, lists: frozenset[str]) -> None:
        super().__init__()
        self._parser = parser
        self._lists = lists
        self._depth = 0
        self._list = ""
        self._open: list[Node] = []
        self._cost = 0
        self._ready: deque[Node | Entry] = deque()

    def drain(self) -> Iterator[Node | Entry]:
        while self._ready:
            yield self._ready.popleft()

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 (SAX's name)
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise SAXException(f"its elements are nested deeper than {DEPTH_LIMIT}")
        tag = name.rpartition(":")[2]
        if self._depth == _LIST:
            self._list = tag
        if self._depth == _ROOT:
            self._ready.append(self._node(tag, attrs))
        elif self._open or (self._depth > _LIST and self._list in self._lists):
            self._spend(_ELEMENT_COST)
            self._open.append(self._node(tag, attrs))

    def characters(self, content: str) -> None:
        if self._open:
            self._spend(len(content))
            self._open[-1].own_text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802, ARG002 (SAX's names)
        self._depth -= 1
        if not self._open:
            return
        closed = self._open.pop()
        if self._open:
            self._open[-1].children.append(closed)
        else:
            self._ready.append(Entry(self._list, closed))
            self._cost = 0

    def _node(self, tag: str, attrs: AttributesImpl) -> Node:
        return Node(tag, dict(attrs.items()), self._parser.getLineNumber() or 1)

    def _spend(self, cost: int) -> None:
        self._cost += cost
        if self._cost > ENTRY_LIMIT:
            raise SAXException(f"one {self._open[0].tag} is bigger than can be held")

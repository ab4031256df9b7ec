"""What a case may say, and how it is read: strictly, so that a slip of the pen is an error.

`README.md` beside this file explains the words to whoever writes a case.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from service.domain.assessment import Reason
from service.domain.events import ContentStatus
from service.domain.policy import Mode


class Said(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything a case says: an unknown word is refused."""


class Step(Said, kw_only=True):
    """One thing that happens: on a `day`, or `at` a moment, or a second after the one before."""

    day: int | None = None
    at: str | None = None


class Write(Step, kw_only=True):
    """A step that changes the ledger, unless it is `refused` with exactly these codes."""

    refused: tuple[str, ...] = ()


class RaiseMinimumNotice(Step, kw_only=True):
    """The charter is tightened."""

    raise_minimum_notice: str


class Register(Step, kw_only=True):
    """Artists join the platform."""

    register: tuple[str, ...]


class Erase(Step, kw_only=True):
    """An artist is erased."""

    erase: str


class Put(Step, kw_only=True):
    """A content is added or replaced, with its rightsholders in order."""

    put: str
    rightsholders: tuple[str, ...]
    status: ContentStatus = ContentStatus.ACTIVE


class Publish(Write, kw_only=True):
    """The next version of a use's policy; `text` in English, or a text for each locale."""

    publish: str
    mode: Mode
    text: str | dict[str, str]
    recipients: tuple[str, ...] = ("internal",)
    notice: str = "P30D"
    editorial: bool = False


class Deliver(Step, kw_only=True):
    """A version's notice has arrived at these artists."""

    deliver: str
    version: int
    to: tuple[str, ...]


class Bounce(Step, kw_only=True):
    """A version's notice has come back from these artists."""

    bounce: str
    version: int
    to: tuple[str, ...]


class Statement(Write, kw_only=True):
    """What an artist says: about a use node, one content or all, one recipient or any."""

    use: str
    content: str | None = None
    recipient: str | None = None
    expires: str | None = None


class OptIn(Statement, kw_only=True):
    """A yes; `shown` names the versions whose text the artist has just read."""

    opt_in: str
    shown: dict[str, int] = msgspec.field(default_factory=dict)


class OptOut(Statement, kw_only=True):
    """A no."""

    opt_out: str


class Inherit(Statement, kw_only=True):
    """Taking back what was said at exactly this scope."""

    inherit: str


class Expected(Said, kw_only=True):
    """The answer that is right. `from` and `until` are moments, or `never` and `forever`."""

    permitted: bool
    reason: Reason
    policy_version: int | msgspec.UnsetType | None = msgspec.UNSET
    since: str | None = msgspec.field(default=None, name="from")
    until: str | None = None


class Check(Step, kw_only=True):
    """A question: a use, a recipient, and a content or an artist.

    `acting_under` is the least policy version the pipeline acts under; `as_of` asks the ledger as
    it stood at an earlier moment.
    """

    check: str
    expect: Expected
    content: str | None = None
    artist: str | None = None
    recipient: str = "internal"
    acting_under: int = 1
    as_of: str | None = None


class Case(Said, kw_only=True):
    """One story with its answers."""

    case: str
    steps: tuple[dict[str, Any], ...]
    why: str = ""

    def told(self) -> list[Step]:
        """Return the steps in order, each as what it is."""
        return [_step(step) for step in self.steps]


class Chapter(Said, kw_only=True):
    """One file: what the rule says in plain words, and its cases."""

    rule: str
    says: str
    cases: tuple[Case, ...]


_VERBS: Final[Mapping[str, type[Step]]] = {
    "raise_minimum_notice": RaiseMinimumNotice,
    "register": Register,
    "erase": Erase,
    "put": Put,
    "publish": Publish,
    "deliver": Deliver,
    "bounce": Bounce,
    "opt_in": OptIn,
    "opt_out": OptOut,
    "inherit": Inherit,
    "check": Check,
}


def _step(step: Mapping[str, Any]) -> Step:
    verbs = step.keys() & _VERBS.keys()
    if len(verbs) != 1:
        raise ValueError(f"a step needs one verb out of {sorted(_VERBS)}: {step}")
    return msgspec.convert(step, _VERBS[verbs.pop()])


class _Loader(yaml.SafeLoader):
    """YAML in which dates stay text and a key given twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, form) for tag, form in forms if not tag.endswith(":timestamp")]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
        pairs: list[Any] = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in pairs if pairs.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"said twice: {sorted(twice)}", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def read_chapter(text: str) -> Chapter:
    """Read one file's text. Raises ValueError (or YAML's own error) at the first slip."""
    chapter = msgspec.convert(yaml.load(text, Loader=_Loader), Chapter)  # noqa: S506 - a SafeLoader
    for case in chapter.cases:
        case.told()
    return chapter


def chapters() -> Iterator[tuple[str, Chapter]]:
    """Return every file of cases beside this one, by name."""
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        try:
            yield path.stem, read_chapter(path.read_text(encoding="utf-8"))
        except (ValueError, yaml.YAMLError) as slip:
            raise ValueError(f"{path.name}: {slip}") from slip

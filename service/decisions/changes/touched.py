"""What one event can have changed: which columns, for which artists and which content.

Rather too much than too little: what is touched is answered anew, whether its answer is another one
or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from service.decisions.question import About
from service.domain import uses
from service.domain.consent import Scope
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    ConsentRecorded,
    ContentPut,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)


@dataclass(frozen=True, slots=True)
class Anew:
    """More than is told one by one: what is held of this has to be asked about anew.

    `use` None stands for every use, `about` None for content and artists; it is always every
    recipient.
    """

    revision: int
    use: str | None
    about: About | None


@dataclass(frozen=True, slots=True)
class Touched:
    """What an event touches, in the columns of one node of the uses and one recipient, or any.

    With each of the `artists`, named by their references, goes all content that they hold.
    """

    revision: int
    node: str = uses.ROOT
    recipient: str | None = None
    artists: Sequence[str] = ()
    content: Sequence[str] = ()
    anew: Anew | None = None

    @property
    def rows(self) -> Sequence[str]:
        """What the event names itself, in its own order, which never changes."""
        return self.artists or self.content

    def covers(self, use: str, recipient: str) -> bool:
        """Tell whether a column is one of those touched."""
        return self.recipient in {None, recipient} and uses.covers(self.node, use)


def touched_by(revision: int, fact: Fact | None) -> Touched:
    """Return what an event touches; a fact that changes no answer touches nothing."""
    touched = Touched(revision)
    match fact:
        case PolicyPublished(use=use):
            touched = Touched(revision, anew=Anew(revision, use, None))
        case ArtistErased(artist=artist):
            # The platform's id is gone, so nobody can be told which of the artists it was.
            anew = Anew(revision, None, About.ARTISTS)
            touched = Touched(revision, artists=(artist,), anew=anew)
        case ArtistsRegistered(artists=artists):
            touched = Touched(revision, artists=artists)
        case NoticeDelivered(use=use, artists=artists):
            touched = Touched(revision, node=use, artists=artists)
        case ContentPut(items=items):
            content = tuple(dict.fromkeys(item.content for item in items))
            touched = Touched(revision, content=content)
        case ConsentRecorded(artist=artist, scope=Scope(use, None, recipient)):
            touched = Touched(revision, use, recipient, artists=(artist,))
        case ConsentRecorded(scope=Scope(use, str(content), recipient)):
            touched = Touched(revision, use, recipient, content=(content,))
        case _:
            pass
    return touched

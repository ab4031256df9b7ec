"""The one interface to whatever carries a notice to artists, and the values that cross it."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from service.domain.instant import Duration, Instant

LONGEST_REASON: Final = 300
_DIGEST: Final = 32  # hexadecimal digits: 128 bits
_READABLE: Final = 40
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class Kind(StrEnum):
    """What is told: that a version comes, or that its window will close."""

    NOTICE = "notice"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True)
class Text:
    """A version's words in one locale, exactly as published, and their SHA-256 in hexadecimal."""

    words: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told about one policy version, the same to everybody.

    `texts` has the published words and `names` what the use is called, both by locale (BCP 47);
    there is at least one text. `occurred_at` is when the thing told came to be: the announcement's
    time by the ledger, or the instant at which the reminder fell due. `reminder` counts: 0 is the
    notice itself, 1 its first reminder.
    """

    notice_id: str
    use: str
    version: int
    recipients: tuple[str, ...]
    window: Duration
    texts: Mapping[str, Text]
    occurred_at: Instant
    names: Mapping[str, str] = field(default_factory=dict)
    reminder: int = 0

    @property
    def kind(self) -> Kind:
        """Whether this is the notice or a reminder of it."""
        return Kind.REMINDER if self.reminder else Kind.NOTICE


@dataclass(frozen=True, slots=True)
class Addressee:
    """One artist to be told.

    `artist_id` is the platform's id, `subject` the ledger's reference. `closes_at` is when this
    artist's own window closes, once a delivery has opened it: no two artists need have the same.
    The address and the link stay out of `repr`, and so out of logs.
    """

    artist_id: str
    subject: str
    email: str | None = field(default=None, repr=False)
    locale: str | None = None
    opt_out_link: str | None = field(default=None, repr=False)
    closes_at: Instant | None = None


class Fate(StrEnum):
    """What became of one addressee in one call."""

    HANDED_OVER = "handed_over"
    """The channel has taken it from here; whether it arrived is still to be heard."""
    DELIVERED = "delivered"
    """It has arrived, and the channel itself proves it."""
    BOUNCED = "bounced"
    """It cannot arrive, however often it is tried."""
    TRY_AGAIN = "try_again"
    """Nothing is known to have been taken."""
    CLOSED = "closed"
    """The receiver has ended the channel as a whole: nobody is told here until a person acts."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one addressee.

    `message_id` is what the receiver knows the message by: keep it, later bounces name it.
    `not_before` (microseconds from now) is the least that the receiver asks for before the next
    try; the schedule may ask for more. `reason` is plain text of at most 300 characters that any
    table can store.
    """

    artist_id: str
    fate: Fate
    message_id: str
    reason: str = ""
    not_before: Duration = 0


class Channel(Protocol):
    """Carries notices. Every implementation keeps these promises, and one suite tests them all.

    1. Exactly one outcome for every addressee, in the order in which they were given.
    2. One addressee's trouble (no address, a refusal) is that one's outcome: it neither raises nor
       keeps the others from being told. The channel's own trouble (no network, a refused login) is
       `TRY_AGAIN` or `CLOSED` for all whom it concerns, and does not raise either.
    3. Telling the same message to the same addressees again is the same message, with the same
       message id: ids derive from what is told to whom, never from a clock, a counter or the try.
       So a crash between sending and recording costs a repetition that the receiver can recognise.
       A group retaken after a crash should have the same members where the channel tells many at
       once.
    4. What was `HANDED_OVER` or `DELIVERED` has left this process: the receiver has said so.
    """

    @property
    def name(self) -> str:
        """What deliveries by it are recorded under: lower-case, as `DeliveryRow.channel`."""

    @property
    def most_per_call(self) -> int:
        """How many addressees one call may name."""

    async def send(
        self, message: Message, addressees: Sequence[Addressee], *, attempt_id: str
    ) -> Sequence[Outcome]:
        """Tell them, and return what became of each, in order.

        `attempt_id` names this one try in logs, here and at the receiver; it is no part of the
        message's identity. Raises ValueError only for a call that no caller should make: more than
        `most_per_call` addressees, or an `attempt_id` that is no short plain word.
        """


def refuse_call(channel: Channel, addressees: Sequence[Addressee], attempt_id: str) -> None:
    """Raise ValueError for a call that breaks the interface, before anything is sent."""
    if len(addressees) > channel.most_per_call:
        message = (
            f"{channel.name} takes at most {channel.most_per_call} addressees a call, "
            f"not {len(addressees)}: call it more often"
        )
        raise ValueError(message)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", attempt_id):
        message = f"an attempt id is 1 to 64 letters, digits, _ or -: {attempt_id!r}"
        raise ValueError(message)


def message_id(channel: str, message: Message, addressees: Sequence[Addressee]) -> str:
    """Return `msg_<notice>_<digest>`, the same whenever the same is told to the same artists.

    Letters, digits and underscores only: Standard Webhooks sets a dot between id and time. The
    notice is there for readers; the digest (128 bits of SHA-256) alone tells messages apart.
    """
    told = [
        "fermata message 1",
        channel,
        message.notice_id,
        message.reminder,
        [addressee.subject for addressee in addressees],
    ]
    digest = hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()
    return identifier_of(message.notice_id, digest[:_DIGEST])


def identifier_of(notice_id: str, digest: str) -> str:
    """Return the id of the message about this notice that ends in this digest."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", notice_id)[:_READABLE].strip("_")
    return f"msg_{readable}_{digest}"


def digest_of(identifier: str) -> str:
    """Return the part of a message id that tells messages apart."""
    return identifier.rpartition("_")[2]


def plain(text: str) -> str:
    """Return a stranger's words as one line that any log, page or table can take."""
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"

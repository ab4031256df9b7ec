"""What a bundle says of itself (docs/exports.md), and who has signed that it says so."""

from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec

from service.verify.finding import CannotLook
from service.verify.notes import OF_A_LOG, Key, Unreadable, read_note, signers

NAME: Final = "manifest.json"
NOTE: Final = "manifest.note"
SCHEMA: Final = "fermata.export/1"
_KIND: Final = "/statement/export-manifest/v1"

_Digest: Final = msgspec.Meta(pattern="^[0-9a-f]{64}$")
_NotNegative: Final = msgspec.Meta(ge=0)


class File(msgspec.Struct, frozen=True):
    """A file of the bundle. `rows` is None where it is none of a dataset's."""

    name: str
    bytes: Annotated[int, _NotNegative]
    sha256: Annotated[str, _Digest]
    rows: int | None = None


class Column(msgspec.Struct, frozen=True):
    """A column of a dataset."""

    name: str
    type: str


class Dataset(msgspec.Struct, frozen=True):
    """A dataset: what it holds, and in which files."""

    name: str
    rows: int
    columns: tuple[Column, ...]
    files: tuple[File, ...]
    filters: tuple[str, ...] = ()


class Pack(msgspec.Struct, frozen=True):
    """Files that belong together."""

    name: str
    files: tuple[File, ...] = ()


class Inclusion(msgspec.Struct, frozen=True):
    """That the last event is in the checkpoint's tree."""

    index: int
    leaf_hash: str
    hashes: tuple[str, ...]


class Consistency(msgspec.Struct, frozen=True):
    """That the checkpoint's tree begins with the one that is shown."""

    older: int
    newer: int
    hashes: tuple[str, ...]


class Ledger(msgspec.Struct, frozen=True):
    """What ties the export to a checkpoint."""

    revision: int
    root: str
    checkpoint: str
    inclusion: Inclusion
    consistency: Consistency


class Manifest(msgspec.Struct, frozen=True):
    """The whole of it, as far as it can be held against anything."""

    export_id: str
    origin: str
    revision: int
    format: str
    datasets: tuple[Dataset, ...]
    packs: tuple[Pack, ...]
    readme: File
    ledger: Ledger
    openings: bool = False

    def files(self) -> list[File]:
        """Return every file that it names, as often as it does."""
        return [
            self.readme,
            *(file for one in self.datasets for file in one.files),
            *(file for one in self.packs for file in one.files),
        ]


def read_manifest(encoded: bytes) -> Manifest:
    """Read a manifest. Raises CannotLook for one of a later kind, or one that is none."""
    try:
        said = msgspec.json.decode(encoded, type=dict[str, Any])
        if said.get("schema") != SCHEMA:
            raise CannotLook(f"{NAME} is of the kind {said.get('schema')!r}; {SCHEMA} is known")
        return msgspec.convert(said, Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CannotLook(f"{NAME} is none: {error}") from None


def held_against_note(
    encoded: bytes, manifest: Manifest, note: bytes, keys: Sequence[Key]
) -> str | None:
    """Return what is wrong with the log's statement about a manifest, or None.

    Raises CannotLook where none of the keys is of the log that it names.
    """
    logs = [key for key in keys if key.type == OF_A_LOG and key.name == manifest.origin]
    if not logs:
        raise CannotLook(
            f"the bundle names {manifest.origin}: give that log's key by --key, from whoever "
            "answers for the log and not from the bundle"
        )
    try:
        read = read_note(note)
        signed = signers(read, logs)
    except Unreadable as error:
        return str(error)
    if not signed:
        return f"no key of {manifest.origin} that was given has signed it"
    stated = [
        f"{manifest.origin}{_KIND}",
        f"sha256 {sha256(encoded).hexdigest()}",
        f"export {manifest.export_id}",
        f"revision {manifest.revision}",
    ]
    if read.text != "".join(f"{line}\n" for line in stated):
        return "what it states is not this manifest"
    return None


def hashes_of(texts: Sequence[str]) -> list[bytes]:
    """Return hashes that are written in base64. Raises ValueError."""
    return [b64decode(one, validate=True) for one in texts]

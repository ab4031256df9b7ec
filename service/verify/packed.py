"""The files of a bundle, whether they lie in a folder, a zip or a tar."""

import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Final, TypeAlias

from service.verify.finding import CannotLook

_CHUNK: Final = 1 << 20
_Open: TypeAlias = Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle's files by name, and names that stand there more than once."""

    files: dict[str, _Open]
    doubled: Sequence[str]

    def digest(self, name: str, size: int) -> str | None:
        """Return the SHA-256 of a file in hexadecimal; None where it is larger than it should be.

        Raises ValueError where it cannot be unpacked. What an archive would swell to is never read.
        """
        found, read = sha256(), 0
        with _unpacking(), self.files[name]() as packed:
            while chunk := packed.read(_CHUNK):
                found.update(chunk)
                read += len(chunk)
                if read > size:
                    return None
        return found.hexdigest()

    def whole(self, name: str, most: int) -> bytes:
        """Return a small file. Raises CannotLook where it is larger, or cannot be unpacked."""
        try:
            with _unpacking(), self.files[name]() as packed:
                data = packed.read(most + 1)
        except ValueError as error:
            raise CannotLook(f"{name} cannot be read: {error}") from error
        if len(data) > most:
            raise CannotLook(f"{name} has more than {most} bytes: it is none")
        return data

    @contextmanager
    def at_hand(self, name: str) -> Iterator[Path]:
        """Yield a copy of a file, one at a time, so that it can be read in any order."""
        with tempfile.TemporaryDirectory(prefix="fermata-verify-") as folder:
            path = Path(folder) / "file"
            with self.files[name]() as packed, path.open("wb") as copy:
                copyfileobj(packed, copy, _CHUNK)
            yield path


_UNPACKING: Final = (
    OSError,
    EOFError,
    RuntimeError,  # encrypted, or packed in a way that nobody knows here
    ValueError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading an archive may raise that somebody has changed or made up."""


@contextmanager
def _unpacking() -> Iterator[None]:
    """Turn whatever unpacking raises into ValueError."""
    try:
        yield
    except _UNPACKING as error:
        raise ValueError(f"it cannot be unpacked: {str(error) or type(error).__name__}") from error


@contextmanager
def opened(place: Path) -> Iterator[Packed]:
    """Open a bundle. Raises CannotLook where there is none."""
    with ExitStack() as stack:
        try:
            names, open_one = _listed(place, stack)
        except _UNPACKING as error:
            raise CannotLook(f"{place} is no bundle that can be read: {error}") from error
        below = _common_folder(names)
        counted = Counter(name.removeprefix(below) for name in names)
        files = {name.removeprefix(below): _opening(open_one, name) for name in names}
        yield Packed(files, [name for name, number in counted.items() if number > 1])


def _opening(open_one: Callable[[str], IO[bytes]], name: str) -> _Open:
    return lambda: open_one(name)


def _listed(place: Path, stack: ExitStack) -> tuple[list[str], Callable[[str], IO[bytes]]]:
    """Return the names of all files, and how one is opened. Nothing is ever unpacked by name."""
    if place.is_dir():
        names = [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]
        return names, lambda name: (place / name).open("rb")
    if zipfile.is_zipfile(place):
        packed = stack.enter_context(zipfile.ZipFile(place))
        return [one for one in packed.namelist() if not one.endswith("/")], packed.open
    tar = stack.enter_context(tarfile.open(place))  # noqa: SIM115 - the stack closes it
    return [one.name for one in tar.getmembers() if one.isfile()], lambda name: _member(tar, name)


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:  # pragma: no cover - only regular files are listed
        raise CannotLook(f"{name} is no file")
    return found


def _common_folder(names: Sequence[str]) -> str:
    """Return the folder that all of them lie in, as an archive of a folder has it, or nothing."""
    folders = {name.rpartition("/")[0] for name in names}
    [only] = folders if len(folders) == 1 else [""]
    return f"{only}/" if only else ""

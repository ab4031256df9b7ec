"""A place for files that breaks."""

from pathlib import Path

from typing_extensions import override

from service.storage.objects import Objects, StoreUnavailable


class Breaking(Objects):
    """A place that takes some files and no more."""

    def __init__(self, objects: Objects, takes: int) -> None:
        """Take so many files, to where they belong."""
        super().__init__("memory:///")
        self._objects = objects
        self._left = takes

    @override
    async def put(self, name: str, content: Path | bytes) -> None:
        """Keep a file, or break."""
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("the disk is full")
        await self._objects.put(name, content)

"""Text that was written as UTF-8 and read as Windows-1252, put right again.

Catalogues that went through several hands hold "Björk" as "BjÃ¶rk". Left alone, the artist's
name would be wrong on their own settings page, and another row with the right spelling would be
another artist.
"""


def repaired(text: str) -> str:
    """The text as it was written, if it is such a misreading from end to end; else unchanged.

    Real text survives: a letter followed by a sign that together spell one UTF-8 character, and
    nothing else outside ASCII anywhere in it, does not happen by accident.
    """
    if text.isascii():
        return text
    try:
        return bytes(map(_byte, text)).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return text


def _byte(character: str) -> int:
    """The byte that Windows-1252 shows as `character`; the five it has no sign for are kept."""
    if "\x80" <= character <= "\x9f":
        return ord(character)
    return character.encode("cp1252")[0]

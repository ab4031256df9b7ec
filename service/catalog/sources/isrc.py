"""International Standard Recording Codes (ISO 3901:2019) in their one compact form."""

from iso3901 import ISRC

_LENGTH = 12


def compact_isrc(text: str) -> str:
    """The twelve characters of the code, however it was written (`US-ABC-24-00001`, lower case).

    Raises:
        ValueError: it is no ISRC; the text says why.

    """
    code = text.strip().upper().removeprefix("ISRC").strip(" :").replace("-", "")
    if len(code) != _LENGTH:
        raise ValueError(f"{text!r} is no ISRC: one has {_LENGTH} characters, like USABC2400001")
    try:
        return str(ISRC.parse(code))
    except ValueError as why:
        raise ValueError(f"{text!r} is no ISRC: {why}") from why

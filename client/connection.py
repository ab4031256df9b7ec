"""One connection to a Fermata service over HTTP."""

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar

import httpx2

Json: TypeAlias = dict[str, Any]
_T = TypeVar("_T")

_TRY_AGAIN: Final = frozenset({502, 503, 504})
_UNAUTHENTICATED: Final = 401
_OVERLOADED: Final = 429
_ATTEMPTS: Final = 5
_FIRST_PAUSE_SECONDS: Final = 0.2


class TokenSource(Protocol):
    """Where tokens come from."""

    def __call__(self, *, fresh: bool) -> str:
        """Return a token; a new one if `fresh`, since the last one was refused."""


class Problem(Exception):  # noqa: N818 - what the service calls it (RFC 9457)
    """The service refused, or could not answer. Nothing is permitted by it."""

    def __init__(self, status: int, body: Json, retry_after: str = "") -> None:
        """Keep the problem document, and after how many seconds to try again if that was said."""
        self.status = status
        self.retry_after = int(retry_after) if retry_after.isdecimal() else None
        self.type: str = body.get("type", "about:blank")
        self.errors: Sequence[Json] = body.get("errors", ())
        details = "; ".join(f"{e['field']}: {e['message']}" for e in self.errors)
        super().__init__(f"{status}: {details or body.get('detail') or body.get('title')}")

    @property
    def codes(self) -> frozenset[str]:
        """The stable codes of everything in the way."""
        return frozenset(error["code"] for error in self.errors)


def fixed_token(token: str) -> TokenSource:
    """Return a source that always gives this token."""

    def source(*, fresh: bool) -> str:
        del fresh  # there is no other
        return token

    return source


def local_tokens(
    base_url: str,
    client_id: str,
    secret: str,
    *,
    subject: str | None = None,
) -> TokenSource:
    """Return a source of development tokens from a service's local issuer."""
    form = {"grant_type": "client_credentials"} | ({"subject": subject} if subject else {})
    kept = ""

    def token(*, fresh: bool) -> str:
        nonlocal kept
        if fresh or not kept:
            answer = httpx2.post(f"{base_url}/oauth/token", data=form, auth=(client_id, secret))
            if not answer.is_success:
                raise Problem(answer.status_code, _problem(answer))
            kept = str(answer.json()["access_token"])
        return kept

    return token


class Connection:
    """Calls one service. Not for use by several threads at once."""

    def __init__(
        self, base_url: str, tokens: TokenSource | None = None, *, timeout: float = 60
    ) -> None:
        """Take the service's address and where tokens come from; `timeout` is in seconds."""
        self._http = httpx2.Client(base_url=base_url, timeout=timeout)
        self._tokens = tokens

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, **params: str | int) -> Json:
        """Read. Raises Problem."""
        return self._call("GET", path, params=params)

    def tagged(self, path: str, **params: str | int) -> tuple[Json, str]:
        """Read what has an ETag, such as an artist's settings, and return both. Raises Problem.

        A yes that is given on it goes with the tag, as `seen` of `write`.
        """
        answer = self._answer("GET", path, params=params)
        return answer.json(), answer.headers["etag"]

    def check(self, use: str, content: Sequence[str] | None = None, **options: object) -> Json:
        """Ask whether content may be used, or `artists=[…]`; results are in the order asked.

        Up to 100,000 at once; `client.arrow` asks about more. Where the service has no room it is
        asked again, when it says. Raises Problem where there is no answer: treat it as a no.
        """
        asked = {} if content is None else {"content": list(content)}
        body = {"use": use, **asked, **options}
        return self._patiently(lambda: self._call("POST", "/v1/checks", body))

    def exchange(self, path: str, body: bytes, media_type: str) -> bytes:
        """Ask in another format than JSON, and be answered in it. Raises Problem.

        Only for what changes nothing: where the service has no room it is asked again.
        """
        headers = {"Content-Type": media_type, "Accept": media_type}
        return self._patiently(
            lambda: self._answer("POST", path, content=body, headers=headers).content
        )

    @staticmethod
    def _patiently(ask: Callable[[], _T]) -> _T:
        for attempt in range(_ATTEMPTS):
            try:
                return ask()
            except Problem as problem:
                if problem.status != _OVERLOADED or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(problem.retry_after or _FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError

    def download(
        self, path: str, into: Path, *, on_bytes: Callable[[int], None] = lambda _: None
    ) -> None:
        """Write what is served at a path into a file, as it arrives. Raises Problem, OSError.

        `on_bytes` hears how many more there are. What has broken off is begun anew by the caller.
        """
        request = self._http.build_request("GET", path)
        answer = self._send(request, fresh=False, stream=True)
        if answer.status_code == _UNAUTHENTICATED and self._tokens is not None:
            answer.close()
            answer = self._send(request, fresh=True, stream=True)
        with contextlib.closing(answer), into.open("wb") as file:
            if not answer.is_success:
                answer.read()
                raise Problem(answer.status_code, _problem(answer))
            for chunk in answer.iter_bytes():
                file.write(chunk)
                on_bytes(len(chunk))

    def write(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        key: str | None = None,
        seen: str | None = None,
        **params: str,
    ) -> Json:
        """Write once, however often it has to be tried. Raises Problem.

        `key` makes repetitions of the same write recognisable beyond this call. `seen` is the ETag
        of what a yes was given on.
        """
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        headers |= {} if seen is None else {"If-Match": seen}
        for attempt in range(_ATTEMPTS):
            try:
                return self._call(method, path, body, headers=headers, params=params)
            except (Problem, httpx2.TransportError) as error:
                passing = not isinstance(error, Problem) or error.status in _TRY_AGAIN
                if not passing or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Json:
        result: Json = self._answer(method, path, body, headers=headers, params=params).json()
        return result

    def _answer(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> httpx2.Response:
        request = self._http.build_request(
            method, path, json=body, content=content, headers=headers, params=params or None
        )
        answer = self._send(request, fresh=False)
        if answer.status_code == _UNAUTHENTICATED and self._tokens is not None:
            answer = self._send(request, fresh=True)
        if not answer.is_success:
            retry_after = answer.headers.get("retry-after", "")
            raise Problem(answer.status_code, _problem(answer), retry_after)
        return answer

    def _send(
        self, request: httpx2.Request, *, fresh: bool, stream: bool = False
    ) -> httpx2.Response:
        if self._tokens is not None:
            request.headers["Authorization"] = f"Bearer {self._tokens(fresh=fresh)}"
        return self._http.send(request, stream=stream)


def _problem(answer: httpx2.Response) -> Json:
    if "json" in answer.headers.get("content-type", ""):
        body = answer.json()
        if isinstance(body, dict):
            return body
    return {"detail": answer.text[:200]}

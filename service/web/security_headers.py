"""What every page tells the browser to refuse, so that a mistake in a page stays harmless."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.settings import Settings

_SOURCES: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
CONTENT_SECURITY_POLICY: Final = "; ".join(f"{what} {where}" for what, where in _SOURCES.items())
_FEATURES: Final = (
    "accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope",
    "magnetometer", "microphone", "midi", "payment", "publickey-credentials-get", "usb",
)  # fmt: skip
_EVERYWHERE: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
    "X-Content-Type-Options": "nosniff",
}
_UNLESS_SAID: Final = {
    "Cache-Control": "private, no-store",
    # Own pages may know where somebody comes from; under no-referrer forms would have no Origin.
    "Referrer-Policy": "same-origin",
}
_TWO_YEARS: Final = 63_072_000  # seconds


class SecurityHeaders:
    """An ASGI layer that puts these headers on every answer.

    A page may say how it may be cached and what a referrer may tell; the rest is not its to say.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Insist on https for the host of an https `public_url`, for two years."""
        self._app = app
        self._fixed = dict(_EVERYWHERE)
        if (settings.public_url or "").startswith("https:"):
            self._fixed["Strict-Transport-Security"] = f"max-age={_TWO_YEARS}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add them as the answer starts."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._fixed)
                for name, value in _UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sent)

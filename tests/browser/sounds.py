"""A platform as the browser's tests need one: a real service, and what the platform does on it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from client import Connection, fixed_token
from client.connection import TokenSource
from service.auth.scopes import Scope
from service.clock import SystemClock
from service.domain.instant import DAY
from service.ledger.derived_keys import OPT_OUT_LINKS, derived_key
from service.notices.channels.opt_out_link import OptOutLink, OptOutLinks
from service.settings import KEY_BYTES
from tests.serving import RunningService, running_service

RECOMMENDATION: Final = "discovery.recommendation"
SEARCH: Final = "discovery.search"
FINGERPRINTS: Final = "identification.fingerprinting"
MUSIC: Final = "training.generative.music"
VOICE: Final = "training.generative.voice"
PARTNER: Final = "partner:audible-magic"

_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "discovery": {
        "en": "Finding music",
        "de": "Musik finden",
        "fr": "Trouver de la musique",
        "es": "Encontrar música",
        "pt": "Encontrar música",
    },
    RECOMMENDATION: {
        "en": "Recommendations",
        "de": "Empfehlungen",
        "fr": "Recommandations",
        "es": "Recomendaciones",
        "pt": "Recomendações",
    },
    SEARCH: {
        "en": "Search by sound",
        "de": "Suche nach Klang",
        "fr": "Recherche par le son",
        "es": "Búsqueda por sonido",
        "pt": "Pesquisa por som",
    },
    "identification": {
        "en": "Recognising music",
        "de": "Musik erkennen",
        "fr": "Reconnaître la musique",
        "es": "Reconocer música",
        "pt": "Reconhecer música",
    },
    FINGERPRINTS: {
        "en": "Audio fingerprints",
        "de": "Fingerabdrücke von Tönen",
        "fr": "Empreintes sonores",
        "es": "Huellas sonoras",
        "pt": "Impressões digitais de som",
    },
    "training": {
        "en": "Training models",
        "de": "Modelle trainieren",
        "fr": "Entraîner des modèles",
        "es": "Entrenar modelos",
        "pt": "Treinar modelos",
    },
    MUSIC: {
        "en": "Models that make music",
        "de": "Modelle, die Musik machen",
        "fr": "Modèles qui font de la musique",
        "es": "Modelos que hacen música",
        "pt": "Modelos que fazem música",
    },
    VOICE: {
        "en": "Models that imitate voices",
        "de": "Modelle, die Stimmen nachahmen",
        "fr": "Modèles qui imitent des voix",
        "es": "Modelos que imitan voces",
        "pt": "Modelos que imitam vozes",
    },
}

WORDS: Final[Mapping[str, str]] = {
    "en": "# What happens\n\nOur machines listen to your tracks. **Nobody** else hears them.\n\n"
    "- Nothing is copied to another company.\n- Nothing is kept for longer than 90 days.",
    "de": "# Was geschieht\n\nUnsere Maschinen hören deine Tracks. **Niemand** sonst hört sie.\n\n"
    "- Nichts geht an eine andere Firma.\n- Nichts wird länger als 90 Tage aufbewahrt.",
    "fr": "# Ce qui se passe\n\nNos machines écoutent tes titres. **Personne** ne les garde.\n\n"
    "- Rien ne va à une autre société.\n- Tout est effacé au bout de 90 jours.",
    "es": "# Qué ocurre\n\nNuestras máquinas escuchan tus temas. **Nadie** más los oye.\n\n"
    "- Nada va a otra empresa.\n- Nada se guarda más de 90 días.",
    "pt": "# O que acontece\n\nAs nossas máquinas ouvem as tuas faixas. **Ninguém** mais.\n\n"
    "- Nada vai para outra empresa.\n- Nada é guardado mais de 90 dias.",
}
"""Words of terms, in each language of the pages."""


@dataclass(frozen=True, slots=True)
class Sounds:
    """The platform "Example Sounds", whose ledger is open, and the service it runs."""

    service: RunningService
    database_url: str
    _platform: Connection
    _pipeline: Connection

    def publish(
        self,
        use: str,
        mode: str,
        *recipients: str,
        words: Mapping[str, str] = WORDS,
        editorial: bool = False,
    ) -> str:
        """Publish the next version of a use's terms, for `internal` if for nobody else.

        Return the id of its notice.
        """
        body = {
            "mode": mode,
            "recipients": list(recipients or ("internal",)),
            "notice_period": "P30D",
            "texts": dict(words),
            "editorial": editorial,
        }
        answer = self._platform.write("POST", f"/v1/uses/{use}/policies", body)
        return f"{use}:{answer['version']}"

    def register(self, *artists: str) -> None:
        """Register artists, whose names are their ids in capitals: `ana` is Ana."""
        rows = [{"artist": one, "name": one.replace("-", " ").title()} for one in artists]
        self._platform.write("POST", "/v1/artists", {"artists": rows})

    def put(self, content: str, title: str, *rightsholders: str) -> None:
        """Put one track."""
        row = {"content": content, "title": title, "rightsholders": list(rightsholders)}
        self._platform.write("POST", "/v1/content", {"content": [row]})

    def say(self, artist: str, answer: str, use: str = "*", **more: Any) -> None:
        """Record what an artist says elsewhere than on these pages, having seen what they show."""
        body = {"answer": answer, "use": use, "channel": "app", **more}
        with self.person(artist) as connection:
            _, seen = connection.tagged(f"/v1/artists/{artist}/settings")
            connection.write("POST", f"/v1/artists/{artist}/consents", body, seen=seen)

    def delegate(self, artist: str, delegate: str, *, may_opt_in: bool) -> None:
        """Let somebody act for an artist, as the artist wishes."""
        body = {"may_opt_in": may_opt_in}
        with self.person(artist) as connection:
            connection.write("PUT", f"/v1/artists/{artist}/delegates/{delegate}", body)

    def deliver(self, notice: str, *artists: str) -> None:
        """Report that a notice has reached artists."""
        rows = [{"artist": one, "outcome": "delivered", "channel": "email"} for one in artists]
        self._platform.write("POST", f"/v1/notices/{notice}/deliveries", {"deliveries": rows})

    def check(self, use: str, content: str, recipient: str = "internal") -> tuple[bool, str]:
        """Ask as a pipeline does; return whether it is permitted, and why."""
        (result,) = self._pipeline.check(use, [content], recipient=recipient)["results"]
        return result["permitted"], result["reason"]

    def said(self, artist: str) -> Sequence[Mapping[str, Any]]:
        """Return everything that is recorded for an artist, newest first."""
        consents: Sequence[Mapping[str, Any]] = self._platform.get(
            f"/v1/artists/{artist}/consents"
        )["consents"]
        return consents

    def revision(self) -> int:
        """Return the number of events so far."""
        return int(self._platform.get("/readyz")["revision"])

    def person(self, artist: str) -> Connection:
        """Return a connection of the platform's own app, for somebody who is signed in there."""
        token = self.service.token(artist, "app", frozenset({Scope.CONSENTS}))
        return Connection(self.service.url, fixed_token(token))

    async def opt_out_link(self, artist: str, notice: str, *, days: int = 365) -> str:
        """Return the address in an artist's letter, good for so many days from now."""
        database = await asyncpg.connect(self.database_url)
        try:
            find = "SELECT subject FROM artists WHERE artist_id = $1"
            subject = await database.fetchval(find, artist)
        finally:
            await database.close()
        links = OptOutLinks([derived_key(bytes(KEY_BYTES), OPT_OUT_LINKS)])
        made = OptOutLink(subject, notice, SystemClock().now() + days * DAY)
        return f"{self.service.url}/opt-out/{links.make(made)}"


@contextmanager
def example_sounds(
    database_url: str, machine_token: TokenSource | None = None, **running: Any
) -> Iterator[Sounds]:
    """Run the platform with its launch terms and no artist, until the block ends.

    Recommendations are `opt_out`, search is `open`, fingerprints are `opt_out` and for a partner
    as well; models that make music or imitate voices are `opt_in`. `machine_token` is for the
    platform and its pipeline, where the service trusts another issuer than its own.
    """
    with running_service(database_url, **running) as service, ExitStack() as stack:
        for_all = machine_token or fixed_token(service.token())
        to_check = service.token("pipeline", scopes=frozenset({Scope.CHECK}))
        platform = stack.enter_context(Connection(service.url, for_all))
        pipeline = stack.enter_context(
            Connection(service.url, machine_token or fixed_token(to_check))
        )
        sounds = Sounds(service, database_url, platform, pipeline)
        charter = {"platform": "Example Sounds", "min_notice_period": "P30D"}
        platform.write("POST", "/v1/charter", charter)
        sounds.publish(RECOMMENDATION, "opt_out")
        sounds.publish(SEARCH, "open")
        sounds.publish(FINGERPRINTS, "opt_out", "internal", PARTNER)
        sounds.publish(MUSIC, "opt_in", "internal", PARTNER)
        sounds.publish(VOICE, "opt_in")
        for use, names in _NAMES.items():
            platform.write("PUT", f"/v1/uses/{use}", {"names": dict(names)})
        yield sounds

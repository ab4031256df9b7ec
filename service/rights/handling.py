"""Who handles artists' data, where and under whose law: what every record and receipt repeats.

It is what the operator says of themselves; what nobody has said is null, and no guess.
"""

from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import select
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import Charter
from service.ledger.events import Json
from service.settings import Settings

CONTROLLER: Final = "controller"
PRINCIPAL: Final = "artist"

_KEPT_FOR: Final = (
    "until the artist is erased; what was said stays in the ledger as a commitment that nobody can "
    "open any more"
)
_RIGHTS: Final = ("dpv:DataSubjectRight", "eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A17")


@dataclass(frozen=True, slots=True)
class Handling:
    """The platform as the controller of artists' data, and where they exercise their rights."""

    platform: str
    address: str | None
    contact: str | None
    jurisdiction: str | None
    storage_location: str | None
    settings_page: str | None

    @classmethod
    async def read(cls, session: ReadSession, settings: Settings) -> Self:
        """Return what the charter and the settings say."""
        newest = select(col(Charter.platform)).order_by(col(Charter.revision).desc()).limit(1)
        public = settings.public_url
        own = None if public is None else f"{public.rstrip('/')}/settings"
        return cls(
            platform=await session.scalar(newest) or "",
            address=settings.controller_address,
            contact=settings.controller_contact,
            jurisdiction=settings.jurisdiction,
            storage_location=settings.storage_location,
            settings_page=settings.platform_settings_url or own,
        )

    def controller(self) -> Json:
        """Return the controller, as one party of a record."""
        return {
            "party_id": CONTROLLER,
            "party_name": self.platform,
            "party_address": self.address,
            "party_contact": self.contact,
            "party_type": "dpv:DataController",
        }

    def processing(self) -> Json:
        """Return what is the same of all processing that artists are asked about."""
        return {
            "pii_information": [
                {"pii_type": "recordings", "description": "what the artist uploaded, as the scope"},
                {"pii_type": "identifier", "description": "the platform's id of the artist"},
            ],
            "pii_controllers": [CONTROLLER],
            "processing_method": "use by artificial intelligence, as the notices say",
            "storage_locations": self.storage_location,
            "retention_period": _KEPT_FOR,
            "jurisdiction": self.jurisdiction,
            "withdrawal_method": self.settings_page
            or "say no, on the settings page or to the platform, at any time",
            "privacy_rights": list(_RIGHTS),
        }

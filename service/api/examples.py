"""The contract's examples: one small story, in the order in which it can be told."""

from collections.abc import Mapping
from typing import Any, Final

PARAMETERS: Final[Mapping[str, Any]] = {
    "use": "discovery.recommendation",
    "version": 1,
    "artist": "artist-1",
    "delegate": "label-1",
    "content": "track-1",
    "notice": "discovery.recommendation:1",
    "dry_run": False,
    "before": 1_000,
    "limit": 100,
    "Idempotency-Key": "b7f3f0c2-5d0e-4f7c-9a53-0d6c1d6f8a10",
}

# By operation; each can be sent as it is after those before it.
BODIES: Final[Mapping[str, Any]] = {
    "open_charter": {"platform": "Example Sounds", "min_notice_period": "P30D"},
    "name_use": {"names": {"en": "Recommendations", "de": "Empfehlungen"}},
    "publish_policy": {
        "mode": "opt_out",
        "recipients": ["internal"],
        "notice_period": "P30D",
        "texts": {
            "en": "# Recommendations\n\nWe suggest your tracks to listeners.",
            "de": "# Empfehlungen\n\nWir schlagen deine Titel vor.",
        },
        "after": 0,
    },
    "register_artists": {
        "artists": [{"artist": "artist-1", "name": "Ana"}, {"artist": "artist-2"}]
    },
    "grant_delegate": {"may_opt_in": False},
    "put_content": {
        "content": [
            {
                "content": "track-1",
                "rightsholders": ["artist-1", "artist-2"],
                "isrc": "QZES71982312",
                "title": "Duet",
            },
            {"content": "track-2", "rightsholders": ["artist-2"], "status": "disputed"},
        ]
    },
    "confirm_deliveries": {
        "deliveries": [
            {"artist": "artist-1", "channel": "email", "reported_at": "2026-03-01T09:30:00Z"},
            {"artist": "artist-2", "channel": "email", "outcome": "bounced"},
        ]
    },
    "record_consent": {
        "answer": "opt_out",
        "use": "discovery",
        "content": "track-1",
        "channel": "settings_page",
        "locale": "en",
        "shown": [{"use": "discovery.recommendation", "version": 1, "locale": "en"}],
    },
    "check": {"use": "discovery.recommendation", "content": ["track-1", "track-2"]},
    "tighten_charter": {"min_notice_period": "P45D"},
}

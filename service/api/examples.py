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
    "format": "json",
    "lang": "de",
    "hold": 12,
    "before": 1_000,
    "limit": 100,
    "state": "unreachable",
    "revision": 8,
    "tracks_before": 1_000,
    "after": "artist-1",
    "q": "ana",
    "If-Match": '"c1JrXbyvYLhzQZ2mWk0aTn8F.9pKfQv3eGd5sRb7uHx1zLm4A"',
    "If-None-Match": '"c1JrXbyvYLhzQZ2mWk0aTn8F.9pKfQv3eGd5sRb7uHx1zLm4A"',
    "since": "8",
    "wait": 0,
    "Last-Event-ID": "8",
    "export": "exp_7f3f0c25d0e4f7c9a530d6c1d6f8a10b",
    "file": "manifest.json",
    "decision": "dec_019c9a1e4a007d2f8b3c5e6f7a8b9c0d",
    "client": "nightly-embeddings",
    "job": "embeddings",
    "run": "run-2026-03-01",
    "recipient": "internal",
    "outcome": "denied",
    "reason": "opted_out",
    "from": "2026-03-01T00:00:00Z",
    "to": "2026-04-01T00:00:00Z",
    "start": 0,
    "position": 0,
    "batches": False,
    "cursor": "ks8ABjX2oNmAAKA",
    "first": 1,
    "second": 8,
    "size": 8,
    "level": "0",
    "number": "000.p/1",
    "X-Request-ID": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
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
    "put_contacts": {
        "contacts": [
            {"artist": "artist-1", "email": "ana@mail.example", "locale": "pt-BR"},
            {"artist": "artist-2", "locale": "de"},
        ]
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
    "preview_consent": {
        "answer": "opt_out",
        "use": "discovery",
        "channel": "settings_page",
    },
    "undo_consent": {"channel": "settings_page"},
    "preview_consents_of_many": {
        "answer": "opt_out",
        "use": "training",
        "channel": "label_desk",
        "artists": ["artist-1", "artist-2"],
    },
    "record_consents_of_many": {
        "answer": "opt_out",
        "use": "training",
        "channel": "label_desk",
        "artists": ["artist-1", "artist-2"],
    },
    "request_export": {
        "datasets": ["consents", "deliveries"],
        "filters": {"use": "discovery", "since": "2026-01-01T00:00:00Z"},
        "format": "csv",
    },
    "check": {"use": "discovery.recommendation", "content": ["track-1", "track-2"]},
    "evaluate": {
        "subject": {"type": "pipeline", "id": "nightly-embeddings"},
        "action": {"name": "discovery.recommendation"},
        "resource": {"type": "track", "id": "track-1"},
        "context": {"run": "run-2026-03-01"},
    },
    "evaluate_many": {
        "subject": {"type": "partner", "id": "musiio"},
        "action": {"name": "discovery.recommendation"},
        "evaluations": [
            {"resource": {"type": "track", "id": "track-1"}},
            {"resource": {"type": "track", "id": "track-2"}},
        ],
        "options": {"evaluations_semantic": "deny_on_first_deny"},
    },
    "search_subjects": {
        "subject": {"type": "partner"},
        "action": {"name": "discovery.recommendation"},
        "resource": {"type": "track", "id": "track-1"},
    },
    "search_resources": {
        "subject": {"type": "pipeline", "id": "nightly-embeddings"},
        "action": {"name": "discovery.recommendation"},
        "resource": {"type": "track"},
        "page": {"limit": 100},
    },
    "search_actions": {
        "subject": {"type": "pipeline", "id": "nightly-embeddings"},
        "resource": {"type": "artist", "id": "artist-1"},
    },
    "erase_artist": {"dry_run": False},
    "place_hold": {"reason": "Case 2026/17: keep until it is settled."},
    "set_retention": {
        "rules": [
            {"what": "idempotency_answers", "keep": "P90D"},
            {"what": "decisions", "keep": "P7Y"},
        ]
    },
    "put_webhook_endpoint": {"url": "https://hooks.example/fermata"},
    "rotate_webhook_keys": {"force": False, "leaked": False},
    "tighten_charter": {"min_notice_period": "P45D"},
}

"""Policy versions with their exact words, a row for each language."""

from typing import Final

from service.exports.columns import Column, Type
from service.exports.dataset import TableDataset, beneath, between

POLICIES: Final = TableDataset(
    name="policies",
    version=1,
    title="Policy versions with their texts, a row for each version and language",
    personal=False,
    columns=(
        Column("use", Type.TEXT, "the use that the policy is about", "p.use"),
        Column("version", Type.INTEGER, "the version's number within the use", "p.version"),
        Column("locale", Type.TEXT, "the language of the text, a BCP 47 tag", "t.locale"),
        Column("mode", Type.TEXT, "prohibited, opt_in, opt_out or open", "p.mode"),
        Column(
            "recipients",
            Type.TEXTS,
            "who may use content under it",
            "array_to_json(p.recipients)",
        ),
        Column(
            "notice_period_seconds",
            Type.INTEGER,
            "how long the window to object is, in seconds",
            "p.notice_period / 1000000",
        ),
        Column(
            "editorial",
            Type.BOOLEAN,
            "whether it only words its predecessor differently",
            "p.editorial",
        ),
        Column(
            "launch",
            Type.BOOLEAN,
            "whether it was published before the first artist was registered",
            "p.launch",
        ),
        Column(
            "terms",
            Type.INTEGER,
            "the version whose terms it has: its own number where they are new",
            "p.terms",
        ),
        Column("published_at", Type.INSTANT, "when it was published", "p.published_at"),
        Column("revision", Type.INTEGER, "the event that published it", "p.revision"),
        Column("text", Type.TEXT, "the exact words, in Markdown", "t.text"),
        Column(
            "text_sha256",
            Type.TEXT,
            "SHA-256 of the words in UTF-8, in hexadecimal, as the ledger has it",
            "t.sha256",
        ),
    ),
    tables="policies p JOIN policy_texts t ON t.use = p.use AND t.version = p.version",
    conditions=("p.revision <= {revision}",),
    narrowing={
        "use": beneath("p.use"),
        "recipient": "{value} = ANY (p.recipients)",
        **between("p.published_at"),
    },
    key=("use", "version", "locale"),
)

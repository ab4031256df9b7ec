"""The Commission's template, section by section.

Template for the Public Summary of Training Content, of the Explanatory Notice of 24 July 2025
(C(2025) 8311 of 5 December 2025). The numbers and titles of sections are its own, so that a reader
finds the same place in both; the labels beneath are ours and say briefly what it asks there. Read
the template itself when filling it in: it alone is binding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that the template asks. `key` is for ever; `hint` says what to write there."""

    key: str
    label: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One numbered section of the template."""

    number: str
    title: str
    fields: Sequence[Field] = ()


_YES_NO: Final = "Yes or no."
_MODALITY: Final = "Text, image, audio, video, other."
_COMMENTS: Final = "Additional comments (optional)"

TEMPLATE: Final = (
    Section(
        "0",
        "The summary",
        (
            Field("summary.version", "Version of the summary"),
            Field("summary.last_update", "Last update"),
        ),
    ),
    Section("1", "General information"),
    Section(
        "1.1",
        "Provider identification",
        (
            Field("provider.contact", "Provider: name and contact details"),
            Field("provider.representative", "Authorised representative: name and contact details"),
        ),
    ),
    Section(
        "1.2",
        "Model identification",
        (
            Field("model.names", "Versioned model names"),
            Field("model.dependencies", "Models that it is built on"),
            Field("model.placed_on_market", "Date of placement on the Union market"),
        ),
    ),
    Section(
        "1.3",
        "Modalities, overall training data size and other characteristics",
        (
            Field("data.modalities", "Modalities present in the training data", _MODALITY),
            Field("data.size", "Size of the training data, for each modality", "A range."),
            Field("data.types", "Types of content, for each modality"),
            Field("data.latest_acquisition", "Latest date of acquisition or collection"),
            Field("data.languages", "Linguistic characteristics of the training data"),
            Field("data.characteristics", "Other relevant characteristics"),
            Field("data.comments", _COMMENTS),
        ),
    ),
    Section("2", "List of data sources"),
    Section(
        "2.1",
        "Publicly available datasets",
        (
            Field("public.used", "Were publicly available datasets used?", _YES_NO),
            Field("public.modalities", "Modalities", _MODALITY),
            Field("public.large", "Large datasets, each with its name and link"),
            Field("public.others", "General description of the others"),
            Field("public.comments", _COMMENTS),
        ),
    ),
    Section("2.2", "Private non-publicly available datasets obtained from third parties"),
    Section(
        "2.2.1",
        "Datasets commercially licensed by rightsholders or their representatives",
        (
            Field("licensed.used", "Were commercial licences concluded with them?", _YES_NO),
            Field("licensed.modalities", "Modalities", _MODALITY),
        ),
    ),
    Section(
        "2.2.2",
        "Private datasets obtained from other third parties",
        (
            Field("private.used", "Were such datasets obtained?", _YES_NO),
            Field("private.modalities", "Modalities", _MODALITY),
            Field("private.known", "Those that are publicly known"),
            Field("private.others", "General description of the others"),
            Field("private.comments", _COMMENTS),
        ),
    ),
    Section(
        "2.3",
        "Data crawled and scraped from online sources",
        (
            Field("crawled.used", "Were crawlers used by the provider or for it?", _YES_NO),
            Field("crawled.crawlers", "Crawlers: names, purposes, behaviour"),
            Field("crawled.period", "Period of collection"),
            Field("crawled.sources", "Types of content and of online sources"),
            Field("crawled.modalities", "Modalities", _MODALITY),
            Field("crawled.domains", "The most relevant domain names"),
            Field("crawled.comments", _COMMENTS),
        ),
    ),
    Section(
        "2.4",
        "User data",
        (
            Field("user.model", "Were users' interactions with the model used?", _YES_NO),
            Field("user.services", "Were users' data of the provider's services used?", _YES_NO),
            Field("user.description", "General description of those services or products"),
            Field("user.modalities", "Modalities", _MODALITY),
            Field("user.comments", _COMMENTS),
        ),
    ),
    Section(
        "2.5",
        "Synthetic data",
        (
            Field("synthetic.used", "Was data made by AI for the training?", _YES_NO),
            Field("synthetic.modalities", "Modalities", _MODALITY),
            Field("synthetic.models", "General-purpose AI models that made it"),
            Field("synthetic.others", "Other AI models that made it"),
            Field("synthetic.comments", _COMMENTS),
        ),
    ),
    Section(
        "2.6",
        "Other sources of data",
        (
            Field("other.used", "Was data of any other source used?", _YES_NO),
            Field("other.description", "Description of the sources and the data"),
            Field("other.comments", _COMMENTS),
        ),
    ),
    Section("3", "Data processing aspects"),
    Section(
        "3.1",
        "Respect of reservation of rights from text and data mining exception or limitation",
        (
            Field("reservation.signatory", "Signatory of the Code of Practice?", _YES_NO),
            Field("reservation.measures", "Measures that respect reservations of rights"),
            Field("reservation.comments", _COMMENTS),
        ),
    ),
    Section(
        "3.2",
        "Removal of illegal content",
        (Field("illegal.measures", "General description of the measures taken"),),
    ),
    Section(
        "3.3",
        "Other information (optional)",
        (Field("processing.other", "Other relevant information about the processing of data"),),
    ),
)

"""The typed record of a word list."""

from pydantic import Field, field_validator

from clipn.data.archive_record import Archive
from clipn.yaml_models import Record


class WordList(Record):
    """Words that may name what is in no ID class."""

    title: str
    archive: Archive = Field(description="text file with a word per line, or `.json` file with lists of them by key")
    licence: str | None = Field(default=None, description="licence; empty when none is stated")
    terms: str | None = Field(default=None, description="terms as stated by the source")
    source: str = Field(description="who wrote the words, or which language model did, asked for what")

    @field_validator("archive")
    @classmethod
    def _proven(cls, archive: Archive) -> Archive:
        if archive.sha256 is None:
            raise ValueError("give its `sha256`; other words are another method")
        return archive

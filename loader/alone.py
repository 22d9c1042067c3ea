"""Rows of a capture that stands alone and goes into no store."""

from loader.names import CaptureNames, LearnedNames
from loader.rows import RowBuilder, RowContext
from loader.settings import LoaderSettings
from schema.records import STANDALONE_SENSOR


def builder_alone() -> RowBuilder:
    """Makes rows as `load` would: destinations are named by what each client was told in this same capture."""
    settings = LoaderSettings()
    learned = LearnedNames.empty(settings.max_name_entries)
    context = RowContext(sensor=STANDALONE_SENSOR, seq=1, granularity=settings.bucket, carries=False)
    return RowBuilder(context=context, names=CaptureNames(learned, None, None), learned=learned)

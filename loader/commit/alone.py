"""Rows of a capture that stands alone and goes into no store."""

from loader.commit.sensornames import rules_of
from loader.naming.learned import LearnedNames
from loader.naming.names import CaptureNames
from loader.rows.building import RowBuilder, RowContext
from loader.settings import LoaderSettings
from schema.bucketpolicy import BucketPolicy
from schema.records import STANDALONE_SENSOR


def builder_alone() -> RowBuilder:
    """Makes rows as `load` would: destinations are named by what each client was told in this same capture."""
    settings = LoaderSettings()
    context = RowContext(sensor=STANDALONE_SENSOR, seq=1, policy=BucketPolicy(settings.bucket), carries=False)
    rules = rules_of(settings)
    names = CaptureNames(LearnedNames(settings.max_name_entries, rules), rules)
    return RowBuilder(context, names, settings.staging_rows)

"""The exception tree, branched by what happens next; every message says what to do.

`exit_code` is what a command ends with when the error reaches its top (docs/reference: exit codes).
"""


class PcaplineError(Exception):
    """Base of every error that pcapline raises on purpose."""

    exit_code = 1


class SettingsError(PcaplineError):
    """The operator must act before anything can start: a setting is wrong or an extra is missing."""

    exit_code = 3


class PermissionDeniedError(PcaplineError):
    """Something may not be read, written or captured; the message carries the fix."""

    exit_code = 4


class CaptureError(PcaplineError):
    """One capture cannot be loaded: it is quarantined with this reason and its neighbours go on."""

    def __init__(self, reason: str, detail: str) -> None:
        """`reason`: a word from a fixed set, counted; `detail`: a sentence for people."""
        super().__init__(detail)
        self.reason = reason


class StoreError(PcaplineError):
    """The store refuses or is away; captures wait, nothing is lost."""

    exit_code = 5


class StoreUnavailableError(StoreError):
    """The store does not answer (or is full, or locked): retry with back-off, captures wait."""


class StorePermissionError(StoreError):
    """The store refuses this user, or is read-only: captures wait until somebody gives the right to write."""

    exit_code = 4


class SchemaMismatchError(StoreError):
    """The store's schema is absent, older or newer: `pcapline schema apply`, no retry."""

    exit_code = 3


class StoreMovedError(StoreError):
    """Nobody may load into this store any more, or not yet: it was copied to another one, or is half a copy itself."""

    exit_code = 3


class LeaseLostError(StoreError):
    """Another loader took this sensor over: the commit was refused, start again from its ledger."""


class LeaseHeldError(StoreError):
    """Another loader holds this sensor: wait until `until_ms` (Unix ms) or until it lets go."""

    def __init__(self, sensor: str, owner: str, until_ms: int) -> None:
        super().__init__(f"sensor {sensor} is being loaded by {owner}; waiting for it to finish")
        self.sensor, self.owner, self.until_ms = sensor, owner, until_ms


# What ails the store itself: every sensor's files wait. Any other `StoreError` is about one sensor or one capture.
STORE_WIDE = (StoreUnavailableError, StorePermissionError, SchemaMismatchError, StoreMovedError)

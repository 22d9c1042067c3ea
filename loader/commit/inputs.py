"""What an attempt's rows depend on besides the capture's bytes, as text: the claim records it, a retry is held against it."""

from collections.abc import Mapping
from hashlib import blake2b

from loader.commit.carried import StateUsed
from loader.reading.capture import LoadedPart
from loader.settings import LoaderSettings
from schema.records import CaptureRecord
from schema.store.writing import LedgerHead

# Raised with every change that makes the same bytes give other rows.
DECODER_VERSION = "native-6"
# A claim's rows are counted from its first attempt; a retry later than this counts them anew, as a new attempt.
REUSE_CLAIM_MS = 3_600_000
BEGINNING_EVERY = 64  # commits: what one capture in so many began from is kept with its manifest


def settings_inputs(settings: LoaderSettings) -> dict[str, str]:
    """The settings that change rows, but for the length of partitions: that is the policy's."""
    return {
        "decoder": DECODER_VERSION,
        "idle_timeout_s": str(settings.idle_timeout_s),
        "active_timeout_s": str(settings.active_timeout_s),
        "max_carried_flows": str(settings.max_carried_flows),
        "max_name_entries": str(settings.max_name_entries),
        "name_grace_s": str(settings.name_grace_s),
        "name_late_s": str(settings.name_late_s),
        "name_repair_s": str(settings.name_repair_s),
        "max_others_asked": str(settings.max_others_asked),
        "packets": str(settings.packets).lower(),
    }


def ledger_inputs(head: LedgerHead, state_used: StateUsed, began_from: bytes) -> dict[str, str]:
    """The ledger version that names are read as of, and the carried state that flows go on from, with its open flows."""
    carried = {"carried": digest_of(began_from)} if began_from else {}
    state = f"{head.state_version}:{head.state_nonce.hex()}"
    told = {StateUsed.NONE: "none", StateUsed.WHOLE: state, StateUsed.UNREADABLE: f"unreadable:{state}"}
    return {"ledger_version": str(head.position.seq), "state": told[state_used], **carried}


def digest_of(open_flows: bytes) -> str:
    """What open flows are known again by."""
    return blake2b(open_flows, digest_size=16).hexdigest()


def keeps_beginning(ledger_version: int, state_version: int) -> bool:
    """Whether the manifest of a capture that goes on from this state has its open flows: of the first in each `BEGINNING_EVERY`
    commits that moved the state. Where that was one out of order, whose rows wait for names, none of these commits has them."""
    return state_version // BEGINNING_EVERY < (ledger_version + 1) // BEGINNING_EVERY


def rows_from_ms(now_ms: int, earlier: CaptureRecord | None) -> int:
    """The load time that rows' lifetimes are counted from: an unfinished claim's own, while it is young."""
    if earlier is not None and earlier.state == "claimed" and 0 <= now_ms - earlier.rows_expire_from_ms < REUSE_CLAIM_MS:
        return earlier.rows_expire_from_ms
    return now_ms


def place_in_file(prefix_id: bytes, after: LoadedPart | None) -> dict[str, str]:
    """Which bytes of its file a capture is: they end where the file's hash is `prefix_id`, and begin `after` what was loaded
    before the file grew."""
    return {"prefix": prefix_id.hex()} | ({"after": after.capture_id.hex()} if after else {})


def prefix_of(inputs: Mapping[str, str]) -> bytes:
    """Hash of all of the file's bytes up to where this capture ended: how a file that grew is known again."""
    return bytes.fromhex(inputs.get("prefix", ""))


def loaded_part(record: CaptureRecord) -> LoadedPart:
    """What of a file was loaded as this capture: what the file must still begin with."""
    return LoadedPart(
        capture_id=record.facts.capture_id,
        prefix_id=prefix_of(record.inputs),
        content_bytes=record.facts.content_bytes,
        consumed_bytes=record.facts.consumed_bytes,
    )

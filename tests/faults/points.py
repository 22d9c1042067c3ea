"""The named kill points: each step of a claim, its rows, its commit, its marks and what becomes of the file, by store.

A point is told by its label (`moments`): SIGKILL comes right before that is done. A step that a store takes and that no
point here names fails `test_kill_points`: give it a name.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class KillPoint:
    """When the loader of one sensor dies; by default in its second capture of three."""

    name: str
    label: str
    nth: int = 1
    after: bool = False  # at the next thing that is done, whatever it is
    from_start: bool = False  # not in the second capture: at the first that comes once they are there
    damaged: bool = False  # there is a file beside them that is no capture
    deletes: bool = False  # loaded inputs are deleted
    behind: str = ""  # label of the step at which the loader before it died
    changed: bool = False  # and whose attempt had other inputs

    @property
    def sensor(self) -> str:
        """The folder of its captures."""
        return self.name.replace(" ", "-").replace(",", "")


def _rows(first: str) -> list[KillPoint]:
    return [
        KillPoint(name="rows of answers", label="INSERT dns_answers"),
        KillPoint(name="names by client", label="INSERT names_by_client"),
        KillPoint(name="names by address", label="INSERT names_by_address"),
        KillPoint(name="rows of flows", label="INSERT flows"),
        KillPoint(name="amid the rows of flows", label="INSERT flows", nth=5),
        KillPoint(name="minutes", label="INSERT traffic_by_minute"),
        KillPoint(name="buckets of flows", label="INSERT flow_buckets"),
        KillPoint(name="buckets of answers", label="INSERT answer_buckets"),
        KillPoint(name="dictionary by address", label="INSERT names_by_ip"),
        KillPoint(name="dictionary by name", label="INSERT ips_by_name"),
        KillPoint(name="dictionary by domain", label="INSERT names_by_domain"),
        KillPoint(name="behind the rows", label=first, after=True),
    ]


_FILES = [
    KillPoint(name="place in the archive", label="create capture in archive"),
    KillPoint(name="move to the archive", label="move capture in archive"),
    KillPoint(name="note to the archive", label="move note in archive"),
    KillPoint(name="behind the archive", label="move note in archive", after=True),
    KillPoint(name="delete", label="remove capture in archive", deletes=True),
    KillPoint(name="delete the note", label="remove note in archive", deletes=True),
    KillPoint(name="place in quarantine", label="create capture in quarantine", from_start=True, damaged=True),
    KillPoint(name="move to quarantine", label="move capture in quarantine", from_start=True, damaged=True),
    KillPoint(name="state for others to see", label="create state of the loader", from_start=True),
    KillPoint(name="newer state", label="move state of the loader", from_start=True),
    KillPoint(name="end of the state", label="remove state of the loader", from_start=True),
    KillPoint(name="reason of a quarantine", label="create reason in quarantine", from_start=True, damaged=True),
]

SQLITE = [
    KillPoint(name="first seen", label="INSERT sensors", from_start=True),
    KillPoint(name="empty ledger", label="INSERT ledger", from_start=True),
    KillPoint(name="lease", label="UPDATE ledger SET epoch", from_start=True),
    KillPoint(name="renewal", label="UPDATE ledger SET lease_until", from_start=True),
    KillPoint(name="begin", label="BEGIN"),
    KillPoint(name="claim", label="INSERT captures"),
    KillPoint(name="origin", label="INSERT captures_by_origin"),
    KillPoint(name="older manifest", label="DELETE manifests"),
    KillPoint(name="manifest", label="INSERT manifests"),
    *_rows("INSERT names_by_domain"),
    KillPoint(name="late names", label="UPDATE flows SET hostname"),
    KillPoint(name="head", label="UPDATE ledger SET version"),
    KillPoint(name="commit row", label="INSERT ledger_commits"),
    KillPoint(name="deltas", label="INSERT commit_deltas"),
    KillPoint(name="totals by endpoint", label="INSERT ledger_endpoints"),
    KillPoint(name="totals", label="INSERT ledger_totals"),
    KillPoint(name="mark", label="UPDATE captures SET state"),
    KillPoint(name="expiry", label="INSERT own_rows"),
    KillPoint(name="older carried state", label="DELETE carried_state"),
    KillPoint(name="carried state", label="INSERT carried_state"),
    KillPoint(name="commit", label="COMMIT"),
    KillPoint(name="behind the commit", label="COMMIT", after=True),
    *_FILES,
    KillPoint(name="release", label="UPDATE ledger SET owner", from_start=True),
]

_TAKEN_OVER = KillPoint(name="", label="", behind="INSERT commit_deltas")
_COMMIT = "UPDATE ledger SET version IF"

CASSANDRA = [
    KillPoint(name="first seen", label="INSERT sensors IF", from_start=True),
    KillPoint(name="lease", label="UPDATE ledger SET epoch IF", from_start=True),
    KillPoint(name="behind the lease", label="UPDATE ledger SET epoch IF", from_start=True, after=True),
    KillPoint(name="renewal", label="UPDATE ledger SET lease_until IF", from_start=True),
    KillPoint(name="manifest", label="INSERT manifests"),
    KillPoint(name="claim", label="INSERT captures IF"),
    KillPoint(name="origin", label="INSERT captures_by_origin"),
    *_rows("INSERT names_by_domain"),
    KillPoint(name="deltas", label="INSERT commit_deltas"),
    KillPoint(name="carried state", label="INSERT carried_state"),
    KillPoint(name="commit", label=_COMMIT),
    KillPoint(name="behind the commit", label=_COMMIT, after=True),
    KillPoint(name="mark", label="UPDATE captures SET state IF"),
    KillPoint(name="mark by day", label="INSERT captures_by_day"),
    KillPoint(name="older carried state", label="DELETE carried_state"),
    replace(_TAKEN_OVER, name="claim again", label="UPDATE captures SET file_name IF"),
    replace(_TAKEN_OVER, name="older manifest", label="DELETE manifests"),
    replace(_TAKEN_OVER, name="rows written again", label="INSERT flows"),
    replace(_TAKEN_OVER, name="delete of older rows", label="DELETE flows", changed=True),
    replace(_TAKEN_OVER, name="amid the delete of older rows", label="DELETE flows", changed=True, nth=5),
    *_FILES,
    KillPoint(name="release", label="UPDATE ledger SET owner IF", from_start=True),
]

POINTS = {"sqlite": SQLITE, "cassandra": CASSANDRA}
EVERY = {"sqlite": 1, "cassandra": 3}  # each so-manieth point is a test's share: what a load into a cluster takes is time

# Done in every load, and not a step of it: what ends a transaction that only read, or begins one.
NO_STEPS = {"ROLLBACK"}

"""What becomes of captures."""

from compose.grafana.boards.common import CHECKED_AGO, NETWORK, QUARANTINED, RATE, UNRECONCILED, of_ledger, stat, up
from compose.grafana.model import Dashboard, Panel, Query

LOADER = Dashboard(
    uid="pcapline-loader",
    title="pcapline / Loader and truth",
    description="What becomes of captures, and whether every packet is accounted for.",
    variables=[NETWORK],
    rows=[
        [
            UNRECONCILED,
            CHECKED_AGO,
            QUARANTINED,
            stat("Captures committed", "sum(pcapline_reconciliation_captures_committed)", "In the ledgers, at the last check."),
            stat("Recounted", "sum(pcapline_reconciliation_captures_checked)", "Captures that the last check recounted."),
            up(
                "Spool",
                "min(pcapline_spool_up)",
                "Whether the watched directory can be read.",
            ),
        ],
        [
            Panel(
                title="Identities",
                queries=[Query(expr="pcapline_unreconciled", legend="{{identity}}")],
                description="What the two sides of each identity are apart by, at the last check.",
            ),
            Panel(
                title="Captures waiting",
                queries=[
                    Query(expr="sum by (sensor) (pcapline_captures_pending)", legend="{{sensor}}"),
                    Query(
                        expr="max((time() - pcapline_captures_oldest_pending_timestamp_seconds)"
                        " * (pcapline_captures_oldest_pending_timestamp_seconds > bool 0))",
                        legend="seconds that the oldest has waited",
                    ),
                ],
                description="Files that the loader has seen and not loaded yet.",
            ),
        ],
        [
            Panel(
                title="Files by what became of them",
                queries=[Query(expr=f"sum by (state) (rate(pcapline_loader_files_total[{RATE}]))", legend="{{state}}")],
                description="Files answered for a second.",
            ),
            Panel(
                title="Time to load one file",
                queries=[
                    Query(
                        expr=f"histogram_quantile({share}, sum by (le) (rate(pcapline_capture_load_seconds_bucket[{RATE}])))",
                        legend=f"{share:.0%} are faster",
                    )
                    for share in (0.5, 0.95)
                ],
                description="From reading a file to its commit.",
                unit="s",
            ),
        ],
        [
            Panel(
                title="Packets in no flow, by reason",
                queries=[of_ledger("pcapline_packets_undecoded_total", "reason", "{{reason}}")],
                description="Nothing is skipped without a reason and a count.",
                unit="pps",
                stacked=True,
            ),
            Panel(
                title="Faults in captures, by reason",
                queries=[
                    of_ledger("pcapline_capture_damage_total", "reason", "{{reason}}"),
                    Query(
                        expr=f"sum by (reason) (rate(pcapline_capture_failures_total[{RATE}])) or vector(0)",
                        legend="{{reason}}: refused",
                    ),
                    of_ledger("pcapline_captures_out_of_order_total", "network", "out of order"),
                ],
                description="Captures loaded only as far as they go, refused altogether, or come after their successors.",
            ),
        ],
        [
            Panel(
                title="After the commit",
                queries=[Query(expr=f"sum(rate(pcapline_captures_disposed_total[{RATE}]))", legend="archived or deleted")],
                description="Files let go because their commit is durable.",
            ),
            Panel(
                title="Found without an event",
                queries=[
                    Query(expr=f"sum(rate(pcapline_spool_missed_events_total[{RATE}]))", legend="files that a scan found"),
                    Query(expr="sum(pcapline_spool_passed_over)", legend="entries that are no captures"),
                ],
                description="Where this grows, the file system tells of no events, and files wait for the next scan.",
            ),
        ],
    ],
)

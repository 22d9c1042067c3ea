"""The store, as loader and exporter see it."""

from compose.grafana.boards.common import NETWORK, RATE, of_ledger, stat, up
from compose.grafana.model import Dashboard, Panel, Query

STORE = Dashboard(
    uid="pcapline-store",
    title="pcapline / Store",
    description="The store as loader and exporter see it.",
    variables=[NETWORK],
    rows=[
        [
            up(
                "Exporter's store",
                "min(pcapline_store_up)",
                "Whether the store answered the last refresh.",
                width=6,
            ),
            up(
                "Loader's store",
                "min(pcapline_loader_store_up)",
                "Whether the store answered the loader last.",
                width=6,
            ),
            stat("Schema", "max(pcapline_store_schema_version)", "Version of the store's schema.", width=6),
            stat("Schema wanted", "max(pcapline_store_schema_wanted_version)", "Version that this build works with.", width=6),
        ],
        [
            Panel(
                title="Rows written",
                queries=[of_ledger("pcapline_rows_total", "table", "{{table}}")],
                description="Rows of committed captures a second, by table.",
                unit="wps",
            ),
            Panel(
                title="Failures",
                queries=[
                    Query(
                        expr=f"sum by (store, reason) (rate(pcapline_write_failures_total[{RATE}])) or vector(0)",
                        legend="{{store}}: {{reason}}",
                    )
                ],
                description="Times a second that the store refused or did not answer.",
            ),
        ],
        [
            Panel(
                title="Share of failed writes",
                queries=[
                    Query(
                        expr=f"sum by (store) (rate(pcapline_write_failures_total[{RATE}]))"
                        f" / sum by (store) (rate(pcapline_writes_total[{RATE}]) > 0) or vector(0)",
                        legend="{{store}}",
                    )
                ],
                description="Of the times that the store was to take a capture.",
                unit="percentunit",
            ),
            Panel(
                title="Answers of the JSON API",
                queries=[
                    Query(
                        expr=f'sum by (status) (rate(pcapline_web_answers_total{{path="/api/v1"}}[{RATE}])) or vector(0)',
                        legend="{{status}}",
                    ),
                    Query(
                        expr=f'sum(rate(pcapline_web_requests_refused_total{{reason="busy"}}[{RATE}])) or vector(0)',
                        legend="turned away: too many at once",
                    ),
                ],
                description="A second, by status.",
                unit="rps",
            ),
        ],
        [
            Panel(
                title="Nodes: waiting tasks",
                queries=[
                    Query(
                        expr="topk(10, sum by (node, pool) (cassandra_thread_pool_pending_tasks)) or vector(0)",
                        legend="{{node}}: {{pool}}",
                    )
                ],
                description="Tasks that wait for a thread, by node and pool. An embedded store has no nodes.",
            ),
            Panel(
                title="Nodes: time of an operation",
                queries=[
                    Query(
                        expr="max by (table, operation) (cassandra_table_operation_latency_p99_seconds) or vector(0)",
                        legend="{{table}}: {{operation}}",
                    )
                ],
                description="99 of 100 take less, on the slowest node.",
                unit="s",
            ),
        ],
        [
            Panel(
                title="Nodes: tables on disk",
                queries=[
                    Query(
                        expr="sum by (table) (cassandra_table_disk_space_bytes) or vector(0)",
                        legend="{{table}}",
                    )
                ],
                description="All copies together.",
                unit="bytes",
            ),
            Panel(
                title="Nodes: largest partition",
                queries=[
                    Query(
                        expr="max by (table) (cassandra_table_partition_size_maximum_bytes) or vector(0)",
                        legend="{{table}}",
                    )
                ],
                description="Beyond 100 MB reading slows down and compaction takes memory.",
                unit="bytes",
            ),
        ],
        [
            Panel(
                title="Refresh of the exporter",
                queries=[Query(expr="max by (instance) (pcapline_exporter_scrape_duration_seconds)", legend="{{instance}}")],
                description="What following the ledgers took, the last time.",
                unit="s",
            ),
            Panel(
                title="Rows deleted by age",
                queries=[Query(expr=f"sum(rate(pcapline_retention_deleted_rows_total[{RATE}]))", legend="rows")],
                description="By the loader, in an embedded store; Cassandra lets rows expire by itself.",
            ),
        ],
    ],
)

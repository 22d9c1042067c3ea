"""What resolvers answer."""

from compose.grafana.boards.common import NETWORK, RATE, of_ledger
from compose.grafana.model import Dashboard, Panel, Query

_CHOSEN = 'network=~"$network"'
_FAILURES = f'sum by (rcode) (rate(pcapline_dns_responses_total{{{_CHOSEN}, rcode!="NOERROR"}}[{RATE}]))'
_RESPONSES = f"scalar(sum(rate(pcapline_dns_responses_total{{{_CHOSEN}}}[{RATE}])))"
_UNANSWERED = f"sum(rate(pcapline_dns_unanswered_queries_total{{{_CHOSEN}}}[{RATE}]))"
_QUERIES = f"sum(rate(pcapline_dns_queries_total{{{_CHOSEN}}}[{RATE}]))"

DNS = Dashboard(
    uid="pcapline-dns",
    title="pcapline / DNS health",
    description="What resolvers answer, and what they do not.",
    variables=[NETWORK],
    rows=[
        [
            Panel(
                title="Responses by code",
                queries=[of_ledger("pcapline_dns_responses_total", "rcode", "{{rcode}}")],
                description="Responses a second, by response code.",
                width=24,
                unit="rps",
                stacked=True,
            )
        ],
        [
            Panel(
                title="Failures",
                queries=[Query(expr=f"{_FAILURES} / {_RESPONSES}", legend="{{rcode}}")],
                description="Share of the responses, by code.",
                unit="percentunit",
            ),
            Panel(
                title="Queries nobody answers",
                queries=[Query(expr=f"{_UNANSWERED} / {_QUERIES}", legend="of all queries")],
                description="Share of the queries that no response was seen to.",
                unit="percentunit",
            ),
        ],
        [
            Panel(
                title="Messages that cannot be read",
                queries=[of_ledger("pcapline_dns_malformed_total", "network", "{{network}}")],
                description="DNS messages that are malformed, a second.",
            ),
            Panel(
                title="Names learned",
                queries=[
                    of_ledger("pcapline_rows_total", "table", "{{table}}", ', table=~"dns_answers|names_by_client"'),
                ],
                description="Rows a second: answers, and what each client was told.",
                unit="wps",
            ),
        ],
    ],
)

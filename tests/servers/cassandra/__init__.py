"""A real Cassandra node for the tests; `python -m tests.servers.cassandra` starts one for work by hand."""

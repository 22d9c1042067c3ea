"""How fast rows get into a Cassandra node: pcapline beside what a user would write instead."""

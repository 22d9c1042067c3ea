"""The loader: when, how often, in what order, again; from a file in the spool to one commit in the store."""

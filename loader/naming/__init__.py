"""Which name a flow's destination had for its client: facts and one choice among them. No store, no clock, no files."""

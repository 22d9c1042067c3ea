"""One capture into the store: claimed with its inputs, written, committed, exactly once."""

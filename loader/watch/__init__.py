"""For ever: leases, whose turn it is, periodic jobs, and what the loader says of itself."""

"""What becomes of a file behind its commit, and how it is found again."""

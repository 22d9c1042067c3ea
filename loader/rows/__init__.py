"""Decoded columns become the rows of the tables, and what one commit adds; all rows of a capture wait here for its claim."""

"""The shared vocabulary of the rooms: records, tables, settings grammar, errors and the store port. Knows no room."""

"""The JSON API `/api/v1`: what the store and the ledgers say, as answers to typed questions (docs/decisions/0026)."""

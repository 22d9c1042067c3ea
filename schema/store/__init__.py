"""The store port and its adapters. Only `pcapline` chooses an adapter; rooms see `reading` and `writing`."""

"""What is committed, looked at once more: decoded again, explained, compared, put right."""

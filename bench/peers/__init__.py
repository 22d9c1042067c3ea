"""What a user would write with a library: the five-tuple of every packet, and how many packets each flow has."""

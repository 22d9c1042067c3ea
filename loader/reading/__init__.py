"""From a file to the decoder: opened, decompressed, hashed and decoded in one pass; tshark where link types are not read."""

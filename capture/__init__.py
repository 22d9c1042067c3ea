"""The sensor: runs tcpdump, rotates, hands over complete files; makes demo traffic. Decodes nothing."""

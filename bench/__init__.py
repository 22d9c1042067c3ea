"""Speed as ratios to the tools that a user would pick instead: `make bench`, or `python -m bench CAPTURE... --runs 7`."""

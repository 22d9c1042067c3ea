"""What each command does, one file a command; its docstring is the help. Rooms are imported inside functions, for a command to load its own."""

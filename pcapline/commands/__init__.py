"""What each command does, a file a command, its docstring the help. Rooms are imported inside functions: each only its own."""

"""What each command does, one file a command. Rooms are imported inside the functions, so that a command loads only its own."""

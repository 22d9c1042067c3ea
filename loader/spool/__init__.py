"""What lies in a watched directory: which files, whose, which comes next. Touches no store, moves nothing."""

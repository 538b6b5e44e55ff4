"""Statistics that any kind of measurement may use: pure functions over samples."""

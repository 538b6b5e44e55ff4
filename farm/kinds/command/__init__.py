"""Kind command: any program."""

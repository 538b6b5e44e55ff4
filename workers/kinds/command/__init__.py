"""Kind command: run a program, and measure what it marks."""

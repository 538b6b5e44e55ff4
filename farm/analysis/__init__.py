"""What the measurements say: pure functions over rows that the store hands out."""

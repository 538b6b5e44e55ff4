"""A kind of measurement for Wattfarm: what sorting costs."""

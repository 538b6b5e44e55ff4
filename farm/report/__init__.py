"""Results as people read them: tables now, charts and pages later."""

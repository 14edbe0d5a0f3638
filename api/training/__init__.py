"""Training models from a tenant's facts: asking for it, what the worker does, what becomes of the versions."""

"""Recommendations as a use case: the deciding model, the facts of whoever is asked for, and the contact rules."""

"""Deciding as a use case: choose within the contact rules, explore, log, and plan campaigns under limits."""

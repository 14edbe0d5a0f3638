"""Forecasts as a use case: a tenant's history, the deciding model, the KPIs of the coming days."""

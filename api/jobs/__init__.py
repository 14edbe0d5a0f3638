"""Durable jobs: DBOS workflows on the product's own PostgreSQL, no broker beside it."""

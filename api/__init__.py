"""The edges: use cases that join storage and models, GraphQL, HTTP, jobs, commands."""

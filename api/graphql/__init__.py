"""The GraphQL schema: thin types over the reads of storage and the use cases of `api.services`."""

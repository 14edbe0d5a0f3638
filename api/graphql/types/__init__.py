"""The types of the schema. Each says what its fields mean and in which unit; none holds a rule."""

import api.graphql.types.words  # noqa: F401 - words get their meaning before any type is made of them

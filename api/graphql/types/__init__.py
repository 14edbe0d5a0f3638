"""The types of the schema. Each says what its fields mean and in which unit; none holds a rule."""

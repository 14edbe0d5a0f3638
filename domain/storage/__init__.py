"""PostgreSQL: the tables and every statement."""

"""PostgreSQL: engine, sessions, tables, migrations, and the embedded server."""

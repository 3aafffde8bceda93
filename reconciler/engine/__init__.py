"""Use cases without a terminal: read, plan, execute; the lock, the record of ownership, plan files."""

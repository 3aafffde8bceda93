"""The run: launch a task, watch it, see it through, and record it."""

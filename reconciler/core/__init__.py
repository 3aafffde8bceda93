"""The pure core: resources as values, their differences, the plan. No I/O."""

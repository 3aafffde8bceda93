"""How the suite is run as a whole: `python -m tests.suite`. What a test needs isn't here."""

"""One deploy.yaml, one command: a containerised training job on AWS."""

__version__ = "0.1.0"  # the one place; pyproject.toml reads it

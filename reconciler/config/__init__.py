"""Everything from the text of deploy.yaml to a validated `Deploy`.

path ─ reader ─> Document (plain values, and where each stands) ─ schema ─> Deploy ─ checks ─> filled Deploy
                    └ expand: ${NAME}            └ explain: pydantic's errors in the words of the file
"""

from reconciler.config.loader import load
from reconciler.config.problems import ConfigError, ConfigErrors
from reconciler.config.schema import Deploy
from reconciler.config.show import show

__all__ = ["ConfigError", "ConfigErrors", "Deploy", "load", "show"]

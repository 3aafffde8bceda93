"""What people read of a run: one self-contained page, its plots, and a model card."""

from model.report.card import card
from model.report.figures import standalone
from model.report.page import page
from model.report.shap import mean_abs

__all__ = ["card", "mean_abs", "page", "standalone"]

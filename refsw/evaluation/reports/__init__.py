"""Informative: what people see of runs: tables, workbooks, plots, pages."""

"""Findings for people and for programs: screen, JSON, SARIF, a page."""

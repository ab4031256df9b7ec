"""Notices: what arrived at whom, and so when windows close."""

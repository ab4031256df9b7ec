"""Fermata: may this content be used for this, by them, now, and how do you know."""

"""Catalogues as they are delivered: readers that tell tracks and their rightsholders."""

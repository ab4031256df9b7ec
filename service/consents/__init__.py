"""What artists said: consent records, and who may speak for them."""

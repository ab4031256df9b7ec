"""Changes: what became permitted or denied, told to readers who keep what they were told.

Events say what they touch (`touched`), and what was touched is answered from the index as it stands
(`reading`), never as it stood: a permit that has been taken back since is not told to anybody.
docs/changes.md is for readers, docs/decisions/0025 says why.
"""

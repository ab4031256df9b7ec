"""The rules, pure: what Fermata decides, with nothing but the standard library.

Instants are `int` microseconds since the Unix epoch, UTC. Nothing here reads a clock, a file or a
database; everything that is derived elsewhere (index, exports, explanations) is held to this room.
"""

"""What outsiders need to notice a change of the past: tiles, checkpoints, proofs, cosignatures.

`note`, `keys`, `checkpoint` and `proof_file` are formats; `tree` and `publication` read what is
published; `signer` verifies and signs; `cosigning` asks witnesses, and `witness` is one.
"""

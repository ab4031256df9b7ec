"""What people may ask of a service that keeps records of them, and what it may keep of them.

Access, receipts, erasure, and what stands in erasure's way: legal holds and retention.
"""

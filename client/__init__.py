"""What pipelines install: it knows the wire, and nothing of the service."""
